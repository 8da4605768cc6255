"""The PMS5003 model, read by a parser written for the test."""

import itertools
import random
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standing_world import MILD, NOW, standing

from hadeda.emulator.chips import load
from hadeda.emulator.chips.pms5003 import Pms5003
from hadeda.scenario import World

PASSIVE = bytes.fromhex("424de100000170")
ACTIVE = bytes.fromhex("424de100010171")
READ = bytes.fromhex("424de200000171")
SLEEP = bytes.fromhex("424de400000173")
WAKE = bytes.fromhex("424de400010174")


@dataclass(frozen=True)
class Reading:
    standard: tuple[int, ...]
    atmosphere: tuple[int, ...]
    particles: tuple[int, ...]
    last: int


def parsed(data: bytes) -> list[Reading | bytes]:
    """Data frames as readings, anything else with a right sum as bytes; raises AssertionError on a broken one."""
    found: list[Reading | bytes] = []
    while data:
        assert data[:2] == b"BM"
        length = int.from_bytes(data[2:4], "big")
        frame, data = data[: 4 + length], data[4 + length :]
        assert len(frame) == 4 + length
        assert sum(frame[:-2]) == int.from_bytes(frame[-2:], "big")
        if length == 28:
            words = struct.unpack(">13H", frame[4:-2])
            found.append(Reading(words[0:3], words[3:6], words[6:12], words[12]))
        else:
            found.append(frame)
    return found


def spoken(chip: Pms5003, until: float, start: float = NOW) -> list[tuple[float, bytes]]:
    """What a board hears that listens whenever the chip speaks."""
    heard: list[tuple[float, bytes]] = []
    now = start
    while (due := chip.next_transmission(now)) is not None and due <= until:
        now = max(now, due)
        heard.append((now, chip.transmit(now)))
        assert heard[-1][1]
    return heard


def readings(heard: Iterable[tuple[float, bytes]]) -> list[Reading]:
    return [reading for _, data in heard for reading in parsed(data) if isinstance(reading, Reading)]


def test_speaks_by_itself_every_2_3_seconds_once_steady() -> None:
    chip = Pms5003(standing(), noise=False)
    times = [time for time, _ in spoken(chip, NOW + 100)]
    late = [time for time in times if time > NOW + 45]
    assert len(late) > 15
    assert all(b - a == pytest.approx(2.3) for a, b in itertools.pairwise(late))
    assert times[0] == pytest.approx(NOW + 2.3)


def test_frame_shows_the_air_as_whole_micrograms() -> None:
    chip = Pms5003(standing(pm1_0_ugm3=8.6, pm2_5_ugm3=12.4, pm10_ugm3=20.0), noise=False)
    last = readings(spoken(chip, NOW + 60))[-1]
    assert last.atmosphere == (9, 12, 20)
    assert last.standard == (9, 12, 20)
    assert last.last == 0x9700
    assert list(last.particles) == sorted(last.particles, reverse=True)
    assert last.particles[0] > 500
    assert len(chip.transmit(NOW + 63)) in (32, 64)


def test_in_dense_air_the_standard_reading_is_higher() -> None:
    chip = Pms5003(standing(pm1_0_ugm3=90, pm2_5_ugm3=120, pm10_ugm3=300), noise=False)
    last = readings(spoken(chip, NOW + 60))[-1]
    assert last.atmosphere == (90, 120, 300)
    assert last.standard == (129, 180, 450)


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(0, 900), st.floats(0, 900), st.floats(0, 9000))
def test_every_frame_is_whole_and_nested(seed: int, pm1_0: float, more: float, most: float) -> None:
    chip = Pms5003(standing(pm1_0_ugm3=pm1_0, pm2_5_ugm3=pm1_0 + more, pm10_ugm3=pm1_0 + more + most), seed)
    for reading in readings(spoken(chip, NOW + 8)):
        assert list(reading.atmosphere) == sorted(reading.atmosphere)
        assert list(reading.standard) == sorted(reading.standard)


def test_readings_rise_for_thirty_seconds_after_power_up() -> None:
    chip = Pms5003(standing(pm2_5_ugm3=100, pm10_ugm3=100), noise=False)
    heard = [(time, parsed(data)[0]) for time, data in spoken(chip, NOW + 60)]
    for time, reading in heard:
        assert isinstance(reading, Reading)
        assert reading.atmosphere[1] == pytest.approx(100 * min(1, (time - NOW) / 30), abs=1)


def test_changing_air_is_told_faster_and_denser_air_faster_still() -> None:
    def interval_s(pm2_5: float) -> float:
        world = standing()
        chip = Pms5003(world, noise=False)
        spoken(chip, NOW + 60)
        world.air = lambda t: replace(MILD, pm2_5_ugm3=pm2_5 + (t - NOW), pm10_ugm3=3000.0)  # type: ignore[method-assign]
        times = [time for time, _ in spoken(chip, NOW + 80, NOW + 60)][-5:]
        return (times[-1] - times[0]) / 4

    assert 0.7 < interval_s(0) < 0.8
    assert 0.4 < interval_s(200) < 0.6
    assert interval_s(1000) == pytest.approx(0.2)


def test_passive_mode_speaks_only_when_asked() -> None:
    chip = Pms5003(standing(), noise=False)
    chip.receive(PASSIVE, NOW)
    assert chip.transmit(NOW) == bytes.fromhex("424d0004e1000174")
    assert chip.next_transmission(NOW + 60) is None
    assert chip.transmit(NOW + 60) == b""
    chip.receive(READ, NOW + 60)
    assert chip.next_transmission(NOW + 60) == NOW + 60
    (reading,) = parsed(chip.transmit(NOW + 60))
    assert isinstance(reading, Reading)
    assert reading.atmosphere == (9, 12, 20)
    chip.receive(ACTIVE, NOW + 61)
    assert chip.transmit(NOW + 61) == bytes.fromhex("424d0004e1010175")
    assert chip.next_transmission(NOW + 61) == pytest.approx(NOW + 63.3)


def test_asleep_it_hears_nothing_but_the_waking() -> None:
    chip = Pms5003(standing(), noise=False)
    chip.receive(SLEEP, NOW)
    assert chip.transmit(NOW) == bytes.fromhex("424d0004e4000177")
    for command in (READ, ACTIVE, PASSIVE, SLEEP):
        chip.receive(command, NOW + 1)
    assert chip.next_transmission(NOW + 100) is None
    assert chip.transmit(NOW + 100) == b""
    chip.receive(WAKE, NOW + 100)
    assert chip.transmit(NOW + 100) == b""
    first = readings(spoken(chip, NOW + 105, NOW + 100))[0]
    assert first.atmosphere[1] < 3
    assert readings(spoken(chip, NOW + 160, NOW + 105))[-1].atmosphere == (9, 12, 20)


@settings(deadline=None)
@given(st.lists(st.integers(1, 6), max_size=6), st.binary(max_size=12))
def test_commands_arrive_in_pieces_and_after_noise(cuts: list[int], noise: bytes) -> None:
    chip = Pms5003(standing())
    data = noise + b"\x00" * 7 + PASSIVE
    for cut in cuts:
        chip.receive(data[:cut], NOW)
        data = data[cut:]
    chip.receive(data, NOW)
    assert chip.transmit(NOW).endswith(bytes.fromhex("424d0004e1000174"))


@pytest.mark.parametrize("place", range(7))
def test_a_command_with_a_wrong_byte_is_not_obeyed(place: int) -> None:
    chip = Pms5003(standing())
    broken = bytearray(PASSIVE)
    broken[place] ^= 0x10
    chip.receive(bytes(broken), NOW)
    assert chip.transmit(NOW) == b""
    assert chip.next_transmission(NOW) == pytest.approx(NOW + 2.3)


def test_same_seed_same_frames_other_seed_others_within_the_noise() -> None:
    def day(seed: int) -> bytes:
        chip = Pms5003(World(seed=1), seed)
        return b"".join(data for _, data in spoken(chip, NOW + 300))

    assert day(1) == day(1)
    assert day(1) != day(2)


def test_month_of_air_is_read_within_two_micrograms_and_three_percent() -> None:
    world = World(seed=1)
    rng = random.Random(1)
    for _ in range(30):
        start = rng.uniform(world.start_s, world.end_s)
        chip = Pms5003(world, seed=rng.randrange(100))
        air, last = world.air(start + 60), readings(spoken(chip, start + 60, start))[-1]
        wanted = (air.pm1_0_ugm3, air.pm2_5_ugm3, air.pm10_ugm3)
        for shown, value in zip(last.atmosphere, wanted, strict=True):
            assert shown == pytest.approx(value, abs=2 + 0.03 * value)


def test_a_line_nobody_reads_keeps_ten_seconds_at_most() -> None:
    chip = Pms5003(standing())
    spoken(chip, NOW + 60)
    assert len(chip.transmit(NOW + 86_400)) <= 32 * 6


def test_tells_what_it_saw() -> None:
    chip = load("pms5003")(standing(), noise=False)
    told: list[tuple[float, str]] = []
    chip.on_event = lambda t, text: told.append((t, text))
    assert isinstance(chip, Pms5003)
    spoken(chip, NOW + 60)
    assert told[-1][1] == "PM1.0 9, PM2.5 12, PM10 20 ug/m3"
    assert told[-1][0] <= NOW + 60
    assert chip.baudrate == 9600
