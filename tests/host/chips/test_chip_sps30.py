"""The SPS30 model against its data sheet."""

import math
import statistics
import struct

import pytest
from standing_world import NOW, StandingWorld, standing

from hadeda.emulator.chips.base import Nack
from hadeda.emulator.chips.sensirion import arguments, words
from hadeda.emulator.chips.sps30 import FAN, FAN_SPEED, LASER, WEEK_S, Sps30
from hadeda.scenario import World

START, STOP, READY, READ, CLEAN = 0x0010, 0x0104, 0x0202, 0x0300, 0x5607
TYPE, VERSION, STATUS, CLEAR, RESET = 0xD002, 0xD100, 0xD206, 0xD210, 0xD304
FLOATS, INTEGERS = 0x0300, 0x0500
WARM = 40.0


def tell(chip: Sps30, command: int, now: float, *given: int) -> None:
    chip.write(command.to_bytes(2, "big") + words(*given), now)


def ask(chip: Sps30, command: int, count: int, now: float) -> bytes:
    """The plain bytes of so many words."""
    tell(chip, command, now)
    return struct.pack(f">{count}H", *arguments(chip.read(3 * count, now)))


def started(world: StandingWorld | World, now: float = NOW, form: int = FLOATS, **how: object) -> Sps30:
    chip = Sps30(world, **how)  # type: ignore[arg-type]
    tell(chip, START, now, form)
    return chip


def ready(chip: Sps30, now: float) -> bool:
    return bool(ask(chip, READY, 1, now)[1])


def floats(chip: Sps30, now: float) -> tuple[float, ...]:
    return struct.unpack(">10f", ask(chip, READ, 20, now))


def status(chip: Sps30, now: float) -> int:
    return int.from_bytes(ask(chip, STATUS, 2, now), "big")


def test_the_start_commands_of_the_data_sheet() -> None:
    assert words(FLOATS) == bytes.fromhex("0300ac")
    assert words(INTEGERS) == bytes.fromhex("0500f6")


def test_it_says_what_it_is() -> None:
    chip = Sps30(standing())
    assert ask(chip, TYPE, 4, NOW) == b"00080000"
    major, minor = ask(chip, VERSION, 1, NOW)
    assert (major, minor) >= (2, 2)


def test_masses_are_the_air_s_as_floats_and_as_integers() -> None:
    world = standing(pm1_0_ugm3=8.6, pm2_5_ugm3=12.4, pm10_ugm3=20.2)
    values = floats(started(world, noise=False), NOW + WARM)
    assert values[:4] == pytest.approx((8.6, 12.4, 16.3, 20.2), rel=1e-6)
    whole = arguments(
        words(*struct.unpack(">10H", ask(started(world, form=INTEGERS, noise=False), READ, 10, NOW + WARM)))
    )
    assert whole[:4] == (9, 12, 16, 20)
    assert whole[9] == round(1000 * values[9])


def test_numbers_of_particles_rise_with_their_size() -> None:
    numbers = floats(started(standing()), NOW + WARM)[4:9]
    assert list(numbers) == sorted(numbers)
    assert numbers[0] > 0


def test_a_measurement_a_second_after_the_start() -> None:
    chip = started(standing())
    assert not ready(chip, NOW + 0.99)
    assert ready(chip, NOW + 1.01)
    floats(chip, NOW + 1.02)
    assert not ready(chip, NOW + 1.9)
    assert ready(chip, NOW + 2.1)


def test_the_values_stay_readable_until_there_are_new_ones() -> None:
    chip = started(standing())
    assert floats(chip, NOW + 20.1) == floats(chip, NOW + 20.8) != floats(chip, NOW + 21.1)


def test_it_warms_up_in_eight_seconds() -> None:
    chip = started(standing(pm2_5_ugm3=100.0, pm10_ugm3=100.0), noise=False)
    assert floats(chip, NOW + 2)[1] == pytest.approx(25)
    assert floats(chip, NOW + 8)[1] == pytest.approx(100)


def test_idle_it_has_nothing_new_and_takes_no_cleaning() -> None:
    chip = Sps30(standing())
    assert not ready(chip, NOW)
    assert floats(chip, NOW) == (0.0,) * 10
    with pytest.raises(Nack):
        tell(chip, CLEAN, NOW)
    tell(chip, START, NOW, FLOATS)
    tell(chip, STOP, NOW + 5)
    assert not ready(chip, NOW + 60)


def test_start_and_stop_take_twenty_milliseconds_and_a_wrong_format_starts_nothing() -> None:
    chip = started(standing())
    with pytest.raises(Nack):
        tell(chip, READY, NOW + 0.019)
    tell(chip, READY, NOW + 0.020)
    other = started(standing(), form=0x0100)
    assert not ready(other, NOW + 5)


def test_nothing_is_measured_while_the_fan_is_cleaned() -> None:
    chip = started(standing())
    floats(chip, NOW + WARM)
    tell(chip, CLEAN, NOW + WARM + 0.5)
    assert not ready(chip, NOW + WARM + 10.4)
    assert ready(chip, NOW + WARM + 11.1)


def test_the_fan_is_cleaned_every_week_by_itself() -> None:
    chip = started(standing())
    for week in (1, 2):
        floats(chip, NOW + week * WEEK_S - 0.5)
        assert not ready(chip, NOW + week * WEEK_S + 9.5)
        assert ready(chip, NOW + week * WEEK_S + 10.5)


def test_what_is_broken_stands_in_the_register_until_it_is_cleared() -> None:
    chip = started(standing())
    assert status(chip, NOW + 1) == 0
    for now, bit in ((NOW + 10, FAN_SPEED), (NOW + 20, LASER), (NOW + 30, FAN)):
        chip.broken = bit
        assert status(chip, now) == bit
        tell(chip, CLEAR, now + 1)
        assert status(chip, now + 2) == bit
        chip.broken = 0
        assert status(chip, now + 3) == bit
        tell(chip, CLEAR, now + 4)
        assert status(chip, now + 5) == 0


def test_a_reset_and_a_brown_out_leave_it_idle() -> None:
    chip = started(standing())
    tell(chip, RESET, NOW + 1)
    with pytest.raises(Nack):
        tell(chip, READY, NOW + 1.09)
    assert not ready(chip, NOW + 60)
    tell(chip, START, NOW + 61, FLOATS)
    chip.brown_out()
    assert not ready(chip, NOW + 90)


def test_noise_stays_within_its_precision_and_is_the_same_for_a_seed() -> None:
    def told(seed: int) -> list[float]:
        chip = started(standing(pm1_0_ugm3=50.0, pm2_5_ugm3=60.0, pm10_ugm3=80.0), seed=seed)
        return [floats(chip, NOW + WARM + second)[1] for second in range(300)]

    values = told(3)
    assert values == told(3) != told(4)
    assert statistics.mean(values) == pytest.approx(60, abs=0.5)
    assert statistics.stdev(values) == pytest.approx(math.hypot(1.0, 0.02 * 60), rel=0.2)
    assert all(abs(value - 60) < 5 + 0.05 * 60 for value in values)


def test_it_measures_the_world() -> None:
    world = World(seed=1)
    for day in range(0, 28, 5):
        now = world.start_s + 86_400 * day + 3600 * (5 * day % 24)
        air, values = world.air(now + WARM), floats(started(world, now), now + WARM)
        for value, true in zip(
            (values[0], values[1], values[3]), (air.pm1_0_ugm3, air.pm2_5_ugm3, air.pm10_ugm3), strict=True
        ):
            assert value == pytest.approx(true, abs=5 + 0.1 * true)
