"""The SGP41 model against its data sheet."""

import statistics

import pytest
from standing_world import NOW, standing

from hadeda.emulator.chips.base import Nack
from hadeda.emulator.chips.sensirion import arguments, words
from hadeda.emulator.chips.sgp41 import Sgp41

CONDITION, MEASURE, SELF_TEST, OFF, SERIAL = 0x2612, 0x2619, 0x280E, 0x3615, 0x3682
DEFAULT = (0x8000, 0x6666)


def tell(chip: Sgp41, command: int, now: float, *given: int) -> None:
    chip.write(command.to_bytes(2, "big") + words(*given), now)


def ask(chip: Sgp41, command: int, count: int, now: float, *given: int) -> tuple[int, ...]:
    tell(chip, command, now, *given)
    return arguments(chip.read(3 * count, now + 0.050))


def measured(chip: Sgp41, now: float) -> tuple[int, ...]:
    return ask(chip, MEASURE, 2, now, *DEFAULT)


def test_the_arguments_of_the_data_sheet() -> None:
    assert words(*DEFAULT) == bytes.fromhex("8000a2 666693")
    assert words(0x0000, 0xFFFF) == bytes.fromhex("000081 ffffac")


def test_it_tests_itself_in_320_ms() -> None:
    chip = Sgp41(standing())
    tell(chip, SELF_TEST, NOW)
    with pytest.raises(Nack):
        chip.read(3, NOW + 0.319)
    assert arguments(chip.read(3, NOW + 0.320)) == (0xD400,)


def test_both_signals_after_fifty_milliseconds() -> None:
    chip = Sgp41(standing())
    tell(chip, MEASURE, NOW, *DEFAULT)
    with pytest.raises(Nack):
        chip.read(6, NOW + 0.049)
    assert len(arguments(chip.read(6, NOW + 0.050))) == 2


def test_more_voc_lowers_the_one_and_more_nox_raises_the_other() -> None:
    def told(**air: float) -> tuple[int, ...]:
        chip = Sgp41(standing(**air), noise=False)
        measured(chip, NOW)
        return measured(chip, NOW + 1)

    voc, nox = told(tvoc_ppb=20.0, no2_ppb=15.0)
    more_voc, same_nox = told(tvoc_ppb=200.0, no2_ppb=15.0)
    same_voc, more_nox = told(tvoc_ppb=20.0, no2_ppb=60.0)
    assert more_voc < voc == same_voc
    assert more_nox > nox == same_nox
    assert 20_000 < more_voc < voc < 40_000
    assert 10_000 < nox < more_nox < 25_000


def test_the_first_value_after_idle_is_off() -> None:
    chip = Sgp41(standing(), noise=False)
    first, second, third = (measured(chip, NOW + second) for second in range(3))
    assert first != second == third
    tell(chip, OFF, NOW + 4)
    assert measured(chip, NOW + 5) == first


def test_conditioning_is_from_idle_answers_with_voc_alone_and_overheats_after_ten_seconds() -> None:
    chip = Sgp41(standing(), noise=False)
    for second in range(10):
        ask(chip, CONDITION, 1, NOW + second, *DEFAULT)
    measured(chip, NOW + 10)
    with pytest.raises(Nack):
        tell(chip, CONDITION, NOW + 11, *DEFAULT)
    assert not chip.overheated
    tell(chip, OFF, NOW + 12)
    tell(chip, CONDITION, NOW + 13, *DEFAULT)
    measured(chip, NOW + 25)
    assert chip.overheated


def test_a_command_without_its_arguments_is_not_taken() -> None:
    chip = Sgp41(standing())
    for data in (b"\x26\x19", b"\x26\x12\x80\x00\xa2", b"\x26\x19\x80\x00\xa3\x66\x66\x93"):
        with pytest.raises(Nack):
            chip.write(data, NOW)


def test_each_unit_has_a_number_of_its_own() -> None:
    assert ask(Sgp41(standing(), 1), SERIAL, 3, NOW) != ask(Sgp41(standing(), 2), SERIAL, 3, NOW)


def test_noise_is_the_same_for_a_seed() -> None:
    def told(seed: int) -> list[int]:
        chip = Sgp41(standing(), seed)
        return [measured(chip, NOW + second)[0] for second in range(200)][1:]

    values = told(3)
    assert values == told(3) != told(4)
    assert statistics.stdev(values) == pytest.approx(10, rel=0.2)


def test_a_brown_out_leaves_it_idle() -> None:
    chip = Sgp41(standing())
    measured(chip, NOW)
    chip.brown_out()
    tell(chip, CONDITION, NOW + 1, *DEFAULT)
