"""The SCD41 model against its data sheet."""

import statistics
from dataclasses import replace
from itertools import pairwise

import pytest
from standing_world import MILD, NOW, StandingWorld, standing

from hadeda.emulator.chips.base import Nack
from hadeda.emulator.chips.scd41 import Scd41
from hadeda.emulator.chips.sensirion import arguments, crc8, words
from hadeda.scenario import Air

START, LOW_POWER, STOP, READ, READY, SERIAL = 0x21B1, 0x21AC, 0x3F86, 0xEC05, 0xE4B8, 0x3682
SINGLE_SHOT, SET_PRESSURE, SET_ALTITUDE, GET_ALTITUDE, SET_OFFSET, GET_OFFSET = (
    0x219D, 0xE000, 0x2427, 0x2322, 0x241D, 0x2318,
)  # fmt: skip
POWER_DOWN, WAKE_UP, REINIT = 0x36E0, 0x36F6, 0x3646


def tell(chip: Scd41, command: int, now: float, *given: int) -> None:
    chip.write(command.to_bytes(2, "big") + words(*given), now)


def ask(chip: Scd41, command: int, count: int, now: float) -> tuple[int, ...]:
    tell(chip, command, now)
    return arguments(chip.read(3 * count, now + 0.001))


def started(world: StandingWorld, now: float = NOW, **how: object) -> Scd41:
    chip = Scd41(world, **how)  # type: ignore[arg-type]
    tell(chip, START, now)
    return chip


def ready(chip: Scd41, now: float) -> bool:
    return bool(ask(chip, READY, 1, now)[0] & 0x07FF)


def co2_ppm(chip: Scd41, now: float) -> int:
    return ask(chip, READ, 3, now)[0]


def test_the_checksums_of_the_data_sheet() -> None:
    assert crc8(b"\xbe\xef") == 0x92
    # set_ambient_pressure to 98 700 Pa, a measurement of 500 ppm at 25 degC and 37 %, a serial number
    assert words(0x03DB) == bytes.fromhex("03db42")
    assert words(0x01F4, 0x6667, 0x5EB9) == bytes.fromhex("01f433 6667a2 5eb93c")
    assert words(0xF896, 0x9F07, 0x3BBE) == bytes.fromhex("f89631 9f07c2 3bbe89")


def test_the_worked_example_comes_back_in_words() -> None:
    chip = started(standing(temperature_c=25.0, humidity_percent=37.0, co2_ppm=500.0), noise=False)
    tell(chip, READ, NOW + 5)
    co2, temperature, humidity = arguments(chip.read(9, NOW + 5.001))
    assert co2 == 500
    assert 175 * temperature / 65535 - 45 == pytest.approx(25.0, abs=0.002)
    assert 100 * humidity / 65535 == pytest.approx(37.0, abs=0.001)


def test_a_measurement_every_five_seconds_read_once() -> None:
    chip = started(standing(), noise=False)
    assert not ready(chip, NOW + 4.99)
    assert ready(chip, NOW + 5.1)
    assert co2_ppm(chip, NOW + 5.2) == 440
    assert not ready(chip, NOW + 5.3)
    tell(chip, READ, NOW + 5.4)
    with pytest.raises(Nack):
        chip.read(3, NOW + 5.401)
    assert ready(chip, NOW + 10.1)


def test_low_power_measures_every_thirty_seconds() -> None:
    chip = Scd41(standing(), noise=False)
    tell(chip, LOW_POWER, NOW)
    assert not ready(chip, NOW + 29)
    assert ready(chip, NOW + 30.1)


def test_a_single_shot_takes_five_seconds_and_is_one() -> None:
    chip = Scd41(standing(), noise=False)
    tell(chip, SINGLE_SHOT, NOW)
    with pytest.raises(Nack):
        tell(chip, READ, NOW + 4.9)
    assert co2_ppm(chip, NOW + 5) == 440
    assert not ready(chip, NOW + 60)


def test_an_answer_takes_a_millisecond() -> None:
    chip = Scd41(standing())
    tell(chip, SERIAL, NOW)
    with pytest.raises(Nack):
        chip.read(9, NOW + 0.0005)
    assert any(chip.read(9, NOW + 0.001))


def test_while_it_measures_it_takes_few_commands_and_stops_in_half_a_second() -> None:
    chip = started(standing())
    for command in (START, SERIAL, GET_ALTITUDE, REINIT, POWER_DOWN, SINGLE_SHOT):
        with pytest.raises(Nack):
            tell(chip, command, NOW + 1)
    tell(chip, SET_PRESSURE, NOW + 1, 987)
    tell(chip, STOP, NOW + 2)
    for at in (2.0, 2.499):
        with pytest.raises(Nack):
            tell(chip, SERIAL, NOW + at)
    assert any(ask(chip, SERIAL, 3, NOW + 2.5))
    assert not ready(chip, NOW + 60)


def test_an_argument_with_a_wrong_checksum_and_unknown_commands_are_not_taken() -> None:
    chip = Scd41(standing())
    for data in (
        b"\x24\x27\x01\xf4\x34",
        b"\x24\x27\x01\xf4",
        b"\x24\x27",
        b"\x24",
        b"\x12\x34",
        b"\x36\x82\x00\x00\x81",
    ):
        with pytest.raises(Nack):
            chip.write(data, NOW)
    assert ask(chip, GET_ALTITUDE, 1, NOW + 1) == (0,)
    chip.write(b"", NOW + 2)  # a look whether anybody is there


def test_settings_are_kept_until_it_is_reinitialised() -> None:
    chip = Scd41(standing())
    tell(chip, SET_ALTITUDE, NOW, 1950)
    assert ask(chip, GET_ALTITUDE, 1, NOW + 0.1) == (1950,)
    assert 175 * ask(chip, GET_OFFSET, 1, NOW + 0.2)[0] / 65535 == pytest.approx(4.0, abs=0.002)
    tell(chip, REINIT, NOW + 1)
    with pytest.raises(Nack):
        tell(chip, GET_ALTITUDE, NOW + 1.019)
    assert ask(chip, GET_ALTITUDE, 1, NOW + 1.020) == (0,)


def test_asleep_it_hears_only_wake_up_and_does_not_acknowledge_that() -> None:
    chip = Scd41(standing())
    tell(chip, POWER_DOWN, NOW)
    for command in (SERIAL, WAKE_UP):
        with pytest.raises(Nack):
            tell(chip, command, NOW + 1)
    with pytest.raises(Nack):
        tell(chip, SERIAL, NOW + 1.019)
    assert any(ask(chip, SERIAL, 3, NOW + 1.020))


def test_thin_air_reads_low_until_it_is_told_the_pressure_or_the_altitude() -> None:
    world = standing(pressure_pa=82_000.0, co2_ppm=440.0)
    chip = started(world, noise=False)
    assert co2_ppm(chip, NOW + 6) == round(440 * 82_000 / 101_325)
    tell(chip, SET_PRESSURE, NOW + 7, 820)
    assert co2_ppm(chip, NOW + 11) == 440
    other = Scd41(world, noise=False)
    tell(other, SET_ALTITUDE, NOW, 1753)
    tell(other, START, NOW + 1)
    assert co2_ppm(other, NOW + 7) == pytest.approx(440, abs=3)


class Rising(StandingWorld):
    """CO2 rises by 1 ppm a second."""

    def air(self, t: float) -> Air:
        return replace(MILD, co2_ppm=440.0 + t - NOW)


def test_it_follows_the_air_a_minute_late() -> None:
    chip = started(Rising(), noise=False)
    assert co2_ppm(chip, NOW + 5.1) == 440 + 5 - 60
    assert co2_ppm(chip, NOW + 101) == 440 + 100 - 60


def test_noise_is_as_its_repeatability_and_the_same_for_a_seed() -> None:
    def told(seed: int) -> list[int]:
        chip = started(standing(pressure_pa=101_325.0), seed=seed)
        return [co2_ppm(chip, NOW + 5 * n + 5.5) for n in range(200)]

    values = told(3)
    assert values == told(3) != told(4)
    assert statistics.mean(values) == pytest.approx(440, abs=3)
    assert statistics.stdev(values) == pytest.approx(10, rel=0.2)
    assert any(one != other for one, other in pairwise(values))


def test_each_unit_has_a_number_of_its_own() -> None:
    assert ask(Scd41(standing(), 1), SERIAL, 3, NOW) != ask(Scd41(standing(), 2), SERIAL, 3, NOW)


def test_a_brown_out_leaves_it_idle() -> None:
    chip = started(standing())
    chip.brown_out()
    assert not ready(chip, NOW + 60)
    tell(chip, START, NOW + 61)
    assert ready(chip, NOW + 67)
