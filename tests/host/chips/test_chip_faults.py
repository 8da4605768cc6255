"""Faults do what they say, when they say it, and nothing before or after."""

import pytest
from standing_world import NOW, standing

from hadeda.emulator.chips import faults
from hadeda.emulator.chips.base import BusHung, I2cChip, Nack, UartChip
from hadeda.emulator.chips.bme280 import Bme280
from hadeda.emulator.chips.ld2451 import Ld2451
from hadeda.emulator.chips.pms5003 import Pms5003
from hadeda.emulator.chips.td136 import Td136
from hadeda.scenario import Passage

CARS = [Passage(NOW + 3 * n, "car", "approaching", 50.0) for n in range(40)]


def ask(chip: I2cChip, now: float) -> bytes:
    chip.write(b"\xd0", now)
    return chip.read(1, now)


def listen(chip: UartChip, start: float, end: float) -> list[tuple[float, bytes]]:
    """What a board hears that listens whenever the chip says it will speak."""
    heard, now = [], start
    while (due := chip.next_transmission(now)) is not None and due <= end:
        now = max(now, due)
        heard.append((now, chip.transmit(now)))
    return heard


def heard(chip: UartChip, start: float = NOW, end: float = NOW + 60) -> bytes:
    return b"".join(data for _, data in listen(chip, start, end))


@pytest.mark.parametrize(("fault", "error"), [(faults.Nacking, Nack), (faults.Stalling, BusHung)])
def test_a_bus_fault_is_there_from_start_to_before_end(fault: type, error: type[Exception]) -> None:
    chip = fault(Bme280(standing()), NOW + 10, NOW + 20)
    assert ask(chip, NOW) == ask(chip, NOW + 9.999) == b"\x60"
    for now in (NOW + 10, NOW + 19.999):
        with pytest.raises(error):
            chip.write(b"\xd0", now)
        with pytest.raises(error):
            chip.read(1, now)
    assert ask(chip, NOW + 20) == b"\x60"
    with pytest.raises(error):
        ask(fault(Bme280(standing())), NOW)


def test_corrupting_flips_one_bit_of_the_nth_byte_read() -> None:
    honest, chip = Bme280(standing()), faults.Corrupting(Bme280(standing()), NOW, NOW + 10, nth=3, seed=5)
    for now in (NOW, NOW + 10):
        honest.write(b"\x88", now)
        chip.write(b"\x88", now)
        right, wrong = honest.read(24, now), chip.read(24, now)
        changed = [place for place in range(24) if right[place] != wrong[place]]
        assert changed == ([3] if now == NOW else [])
        assert sum((a ^ b).bit_count() for a, b in zip(right, wrong, strict=True)) == len(changed)


def test_corrupting_by_chance_repeats_with_the_seed() -> None:
    def reads(seed: int) -> bytes:
        chip = faults.Corrupting(Bme280(standing()), seed=seed, probability=0.1)
        return b"".join(ask(chip, NOW + step) for step in range(1000))

    assert reads(1) == reads(1) != reads(2)
    assert 60 < sum(byte != 0x60 for byte in reads(1)) < 150


def test_silent_loses_what_is_said_and_what_is_sent() -> None:
    chip = faults.Silent(Pms5003(standing(), noise=False), NOW + 40, NOW + 100)
    before = listen(chip, NOW, NOW + 40)
    assert len(b"".join(data for _, data in before)) % 32 == 0
    assert chip.next_transmission(NOW + 41) == NOW + 100
    assert chip.transmit(NOW + 60) == b""
    chip.receive(bytes.fromhex("424de400000173"), NOW + 70)  # sleep: never arrives
    after = listen(chip, NOW + 70, NOW + 120)
    times = [time for time, data in after if data]
    assert times[0] > NOW + 100
    assert all(len(data) == 32 for _, data in after if data)


def test_silent_for_good_never_speaks() -> None:
    chip = faults.Silent(Ld2451(standing()), NOW)
    assert chip.next_transmission(NOW + 5) is None
    assert chip.transmit(NOW + 5) == b""


def test_garbling_breaks_sums_and_keeps_lengths() -> None:
    clean, chip = heard(Pms5003(standing())), heard(faults.Garbling(Pms5003(standing()), nth=5))
    assert len(clean) == len(chip)
    assert {place % 32 for place in range(len(clean)) if clean[place] != chip[place]} == {5}


@pytest.mark.parametrize("part", [Pms5003, Ld2451])
def test_splitting_tears_frames_and_loses_nothing(part: type) -> None:
    world = standing(*CARS)
    clean = heard(part(world))
    torn = listen(faults.Splitting(part(world), seed=3), NOW, NOW + 60)
    pieces = [data for _, data in torn if data]
    whole = b"".join(pieces)
    assert max(map(len, pieces)) <= 7
    assert clean.startswith(whole)
    assert len(whole) > len(clean) / 3


def test_splitting_delivers_the_rest_when_it_ends() -> None:
    chip = faults.Splitting(Pms5003(standing()), NOW, NOW + 30)
    assert heard(chip) == heard(Pms5003(standing()))


def test_garbage_comes_between_whole_frames() -> None:
    clean = listen(Pms5003(standing()), NOW, NOW + 60)
    dirty = listen(faults.Garbage(Pms5003(standing()), seed=2), NOW, NOW + 60)
    assert len(clean) == len(dirty)
    for (_, frame), (_, data) in zip(clean, dirty, strict=True):
        assert data.endswith(frame)
        assert 1 <= len(data) - len(frame) <= 16


def test_dropping_loses_its_share_of_bytes() -> None:
    world = standing(*CARS)
    clean, lossy = heard(Ld2451(world)), heard(faults.Dropping(Ld2451(world), probability=0.1, seed=1))
    assert len(lossy) == pytest.approx(0.9 * len(clean), rel=0.03)
    assert heard(faults.Dropping(Ld2451(world), probability=0.1, seed=1)) == lossy


@pytest.mark.parametrize("fault", [faults.Silent, faults.Garbling, faults.Splitting, faults.Garbage, faults.Dropping])
def test_outside_its_period_a_fault_changes_nothing(fault: type) -> None:
    chip = fault(Pms5003(standing()), NOW + 1000, NOW + 2000)
    assert heard(chip) == heard(Pms5003(standing()))


def test_a_fault_passes_on_events_baud_rate_and_commands() -> None:
    told: list[str] = []
    chip = faults.Garbage(faults.Dropping(Ld2451(standing(*CARS))))
    chip.on_event = lambda _, text: told.append(text)
    assert chip.on_event is not None
    listen(chip, NOW, NOW + 10)
    assert told[0] == "car approaching 50 km/h"
    chip.baudrate = 9600
    assert chip.baudrate == 9600
    inner = Ld2451(standing())
    faults.Splitting(inner).receive(bytes.fromhex("fdfcfbfa0400ff00010004030201"), NOW)
    assert inner.next_transmission(NOW) == NOW
    wire = faults.Nacking(Bme280(standing()), NOW + 1)
    wire.on_event = lambda _, text: told.append(text)
    wire.write(bytes([0xF4, 0x25]), NOW)
    ask(wire, NOW + 0.5)
    assert wire.on_event is not None
    assert told[-1] == "21.50 degC, 45.0 %, 1013.2 hPa"


def levels(chip: Td136) -> list[bool | None]:
    """What a pin sees in a minute, a hundred times a second."""
    return [chip.level(NOW + step / 100) for step in range(6000)]


def test_faults_of_a_plain_input_act_on_the_wire_and_only_while_they_are_there() -> None:
    world = standing(*(Passage(NOW + at, "car", "approaching", 36.0) for at in (5, 25, 45)))
    clean = levels(Td136(world))
    assert set(clean) == {None, False}
    cut = levels(faults.Cut(Td136(world), NOW + 20, NOW + 40))
    shorted = levels(faults.Shorted(Td136(world), NOW + 20, NOW + 40))
    loose = levels(faults.Chattering(Td136(world), NOW + 20, NOW + 40, seed=1))
    for faulty in (cut, shorted, loose):
        assert faulty[:2000] + faulty[4000:] == clean[:2000] + clean[4000:]
    assert set(cut[2000:4000]) == {None}
    assert set(shorted[2000:4000]) == {False}
    assert 800 < sum(level is None for level in loose[2000:4000]) < 1300
    assert loose == levels(faults.Chattering(Td136(world), NOW + 20, NOW + 40, seed=1))
    assert loose != levels(faults.Chattering(Td136(world), NOW + 20, NOW + 40, seed=2))


def test_a_fault_of_a_plain_input_passes_on_events() -> None:
    told: list[str] = []
    chip = faults.Cut(Td136(standing(Passage(NOW + 1, "car", "approaching", 36.0))))
    chip.on_event = lambda _, text: told.append(text)
    assert chip.on_event is not None
    levels(chip)
    assert told == ["car on the loop"]
