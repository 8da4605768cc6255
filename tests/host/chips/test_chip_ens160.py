"""The ENS160 model against its data sheet."""

import statistics

import pytest
from standing_world import NOW, standing

from hadeda.emulator.chips.ens160 import Ens160

DEEP_SLEEP, IDLE, STANDARD, RESET = 0x00, 0x01, 0x02, 0xF0
WARM = 200.0


def registers(chip: Ens160, first: int, count: int, now: float) -> bytes:
    chip.write(bytes([first]), now)
    return chip.read(count, now)


def started(chip: Ens160, now: float = NOW) -> Ens160:
    chip.write(bytes([0x10, STANDARD]), now)
    return chip


def validity(chip: Ens160, now: float) -> int:
    return registers(chip, 0x20, 1, now)[0] >> 2 & 3


def word(chip: Ens160, register: int, now: float) -> int:
    return int.from_bytes(registers(chip, register, 2, now), "little")


def test_it_is_an_ens160_in_deep_sleep() -> None:
    chip = Ens160(standing())
    assert registers(chip, 0x00, 2, NOW) == b"\x60\x01"
    assert registers(chip, 0x10, 1, NOW) == bytes([DEEP_SLEEP])
    assert registers(chip, 0x20, 6, NOW) == bytes(6)


def test_it_is_valid_three_minutes_after_the_start() -> None:
    chip = started(Ens160(standing(tvoc_ppb=120.0), noise=False))
    assert (validity(chip, NOW + 1), word(chip, 0x22, NOW + 1)) == (1, 0)
    assert (validity(chip, NOW + 179), word(chip, 0x22, NOW + 179)) == (1, 0)
    assert validity(chip, NOW + 181) == 0
    status, aqi, low, high, eco2_low, eco2_high = registers(chip, 0x20, 6, NOW + 181)
    assert status & 0xC0 == 0x80
    assert (aqi, low | high << 8, eco2_low | eco2_high << 8) == (2, 120, 580)


def test_a_new_one_takes_an_hour() -> None:
    chip = started(Ens160(standing(), seasoned=False))
    assert (validity(chip, NOW + 200), validity(chip, NOW + 3599), validity(chip, NOW + 3601)) == (2, 2, 0)


def test_new_data_show_until_they_are_read() -> None:
    chip = started(Ens160(standing()))
    assert registers(chip, 0x20, 1, NOW + WARM)[0] & 2
    assert registers(chip, 0x20, 4, NOW + WARM + 0.1)[0] & 2
    assert not registers(chip, 0x20, 1, NOW + WARM + 0.2)[0] & 2
    assert registers(chip, 0x20, 1, NOW + WARM + 1.1)[0] & 2


def test_started_again_it_does_not_warm_up_again_but_reset_it_does() -> None:
    chip = started(started(Ens160(standing())), NOW + WARM)
    assert validity(chip, NOW + WARM + 1) == 0
    chip.write(bytes([0x10, RESET]), NOW + 300)
    assert registers(chip, 0x20, 1, NOW + 301) == b"\x00"
    started(chip, NOW + 302)
    assert validity(chip, NOW + 303) == 1
    chip.brown_out()
    assert registers(chip, 0x10, 1, NOW + 304) == bytes([DEEP_SLEEP])


def test_idle_measures_nothing_and_an_invalid_mode_is_an_error() -> None:
    chip = started(Ens160(standing()))
    chip.write(bytes([0x10, 0x77]), NOW + WARM)
    assert registers(chip, 0x20, 1, NOW + WARM + 1)[0] & 0xC0 == 0xC0
    chip.write(bytes([0x10, IDLE]), NOW + WARM + 2)
    assert registers(chip, 0x20, 4, NOW + WARM + 3) == bytes(4)


def test_the_examples_of_temperature_and_humidity() -> None:
    chip = Ens160(standing())
    assert word(chip, 0x30, NOW) / 64 - 273.15 == pytest.approx(25.0, abs=0.01)
    assert word(chip, 0x32, NOW) / 512 == 50
    chip.write(bytes([0x13, 0x8A, 0x4A, 0x00, 0x64]), NOW)
    assert registers(chip, 0x13, 4, NOW) == registers(chip, 0x30, 4, NOW) == bytes.fromhex("8a4a0064")
    chip.write(bytes([0x15, 0x00, 0x28]), NOW)
    assert word(chip, 0x32, NOW) / 512 == 20


@pytest.mark.parametrize(("ppb", "aqi"), [(10, 1), (64, 1), (66, 2), (300, 3), (1000, 4), (3000, 5)])
def test_the_index_is_a_class_of_tvoc(ppb: float, aqi: int) -> None:
    chip = started(Ens160(standing(tvoc_ppb=float(ppb)), noise=False))
    assert registers(chip, 0x21, 3, NOW + WARM) == bytes([aqi, ppb & 0xFF, ppb >> 8])


def test_noise_is_five_percent_and_the_same_for_a_seed() -> None:
    def told(seed: int) -> list[int]:
        chip = started(Ens160(standing(tvoc_ppb=1000.0), seed))
        return [word(chip, 0x22, NOW + WARM + second) for second in range(300)]

    values = told(3)
    assert values == told(3) != told(4)
    assert statistics.mean(values) == pytest.approx(1000, rel=0.01)
    assert statistics.stdev(values) == pytest.approx(50, rel=0.2)
