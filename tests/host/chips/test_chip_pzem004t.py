"""The PZEM-004T model: Modbus RTU as its manual has it, and a register that counts what the circuit uses."""

import pytest
from standing_world import standing

from hadeda.emulator.chips import load
from hadeda.emulator.chips.pzem004t import ALWAYS_W, ANSWER_S, LAMPS_W, Pzem004t, crc, load_w, used_wh

MIDNIGHT = 1_654_041_600.0  # 1 June 2022
HOUR_S = 3600.0
READ = bytes.fromhex("f8040000000a6464")


@pytest.fixture
def chip() -> Pzem004t:
    made = load("pzem004t")(standing(), 1)
    assert isinstance(made, Pzem004t)
    return made


def asked(chip: Pzem004t, content: bytes, now: float = MIDNIGHT) -> bytes:
    """The answer to a request without its CRC; empty where there is none."""
    chip.receive(content + crc(content), now)
    due = chip.next_transmission(now)
    if due is None:
        return b""
    assert due == now + ANSWER_S
    assert chip.transmit(due - 0.001) == b""
    answer = chip.transmit(due)
    assert answer[-2:] == crc(answer[:-2])
    assert chip.next_transmission(due) is None
    return answer[:-2]


def words(answer: bytes) -> list[int]:
    assert answer[:2] == b"\xf8\x04"
    assert answer[2] == len(answer) - 3
    return [int.from_bytes(answer[at : at + 2]) for at in range(3, len(answer), 2)]


@pytest.mark.parametrize("known", ["01040000000a700d", "f8040000000a6464", "f842c241", "01428011"])
def test_known_frames_have_the_crc_of_modbus(known: str) -> None:
    frame = bytes.fromhex(known)
    assert crc(frame[:-2]) == frame[-2:]


def test_the_check_value_of_modbus() -> None:
    assert crc(b"123456789") == (0x4B37).to_bytes(2, "little")


def test_ten_registers_in_their_units(chip: Pzem004t) -> None:
    volts, amperes, amperes_high, power, power_high, low, high, hertz, factor, alarm = words(asked(chip, READ[:-2]))
    assert volts == pytest.approx(2300, abs=80)
    assert (power_high << 16 | power) == round(10 * (ALWAYS_W + LAMPS_W))
    watts = volts / 10 * (amperes_high << 16 | amperes) / 1000 * factor / 100
    assert watts == pytest.approx(ALWAYS_W + LAMPS_W, rel=0.01)
    assert (high << 16 | low) == int(chip.energy_wh(MIDNIGHT))
    assert (hertz, factor, alarm) == (pytest.approx(500, abs=2), 95, 0)


def test_the_register_counts_what_is_used_and_no_reading_changes_that(chip: Pzem004t) -> None:
    start = chip.energy_wh(MIDNIGHT)
    for minutes in range(0, 24 * 60, 7):
        asked(chip, READ[:-2], MIDNIGHT + 60 * minutes)
    used = chip.energy_wh(MIDNIGHT + 24 * HOUR_S) - start
    assert used == pytest.approx(24 * ALWAYS_W + 12 * LAMPS_W)


def test_lamps_burn_by_night() -> None:
    assert [load_w(MIDNIGHT + hour * HOUR_S) for hour in (0, 5.9, 6, 12, 17.9, 18, 23)] == [
        612,
        612,
        12,
        12,
        12,
        612,
        612,
    ]
    assert used_wh(MIDNIGHT + 5.5 * HOUR_S, MIDNIGHT + 6.5 * HOUR_S) == pytest.approx(312)
    assert used_wh(MIDNIGHT + 17.5 * HOUR_S, MIDNIGHT + 30.5 * HOUR_S) == pytest.approx(13 * 12 + 12 * 600)


def test_the_energy_is_reset_and_begins_at_zero(chip: Pzem004t) -> None:
    assert asked(chip, b"\xf8\x42") == b"\xf8\x42"
    assert chip.energy_wh(MIDNIGHT + HOUR_S) == pytest.approx(612)


def test_addresses(chip: Pzem004t) -> None:
    assert asked(chip, b"\x01" + READ[1:-2])[0] == 1
    assert asked(chip, b"\x02" + READ[1:-2]) == b""
    assert asked(chip, b"\xf8\x06\x00\x02\x00\x02") == b"\xf8\x06\x00\x02\x00\x02"
    assert asked(chip, b"\x02" + READ[1:-2])[0] == 2
    assert asked(chip, b"\x00\x06\x00\x02\x00\x05") == b""
    assert asked(chip, b"\x05\x03\x00\x02\x00\x01") == b"\x05\x03\x02\x00\x05"


def test_the_alarm(chip: Pzem004t) -> None:
    asked(chip, b"\xf8\x06\x00\x01\x02\x00")
    assert words(asked(chip, READ[:-2]))[-1] == 0xFFFF


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ("f8 04 0000 000b", "f8 84 02"),
        ("f8 04 0000 0000", "f8 84 02"),
        ("f8 04 000a 0001", "f8 84 02"),
        ("f8 06 0003 0001", "f8 86 02"),
        ("f8 06 0002 00f8", "f8 86 03"),
        ("f8 07", "f8 87 01"),
    ],
)
def test_errors(chip: Pzem004t, request_: str, answer: str) -> None:
    assert asked(chip, bytes.fromhex(request_)) == bytes.fromhex(answer)


def test_a_damaged_request_is_not_answered_and_the_next_one_is(chip: Pzem004t) -> None:
    for at in range(len(READ)):
        damaged = bytearray(READ)
        damaged[at] ^= 4
        chip.receive(bytes(damaged), MIDNIGHT + at)
        assert chip.next_transmission(MIDNIGHT + at) is None
    assert asked(chip, READ[:-2], MIDNIGHT + 60)


def test_a_request_in_pieces_is_whole_unless_there_is_a_pause(chip: Pzem004t) -> None:
    chip.receive(READ[:3], MIDNIGHT)
    chip.receive(READ[3:], MIDNIGHT + 0.005)
    assert chip.transmit(MIDNIGHT + 1)
    chip.receive(READ[:3], MIDNIGHT + 2)
    chip.receive(READ[3:], MIDNIGHT + 2.5)
    assert chip.transmit(MIDNIGHT + 3) == b""


def test_without_mains_it_is_silent_and_keeps_its_register(chip: Pzem004t) -> None:
    before = chip.energy_wh(MIDNIGHT)
    chip.mains = False
    assert asked(chip, READ[:-2]) == b""
    chip.mains = True
    assert chip.energy_wh(MIDNIGHT) == before
    assert asked(chip, READ[:-2], MIDNIGHT + 1)


def test_the_same_seed_and_moment_give_the_same_bytes() -> None:
    one, other = (asked(load("pzem004t")(standing(), 5), READ[:-2]) for _ in range(2))  # type: ignore[arg-type]
    assert one == other
