"""The HLK-LD2451 model, read by a parser written for the test."""

import itertools
from collections import defaultdict
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standing_world import NOW, standing

from hadeda.emulator.chips import load
from hadeda.emulator.chips.ld2451 import Ld2451
from hadeda.scenario import Passage, World

EMPTY = bytes.fromhex("f4f3f2f1 0000 f8f7f6f5")
ENABLE = bytes.fromhex("fdfcfbfa 0400 ff00 0100 04030201")
ENABLED = bytes.fromhex("fdfcfbfa 0800 ff01 0000 0100 4000 04030201")
END = bytes.fromhex("fdfcfbfa 0200 fe00 04030201")
ENDED = bytes.fromhex("fdfcfbfa 0400 fe01 0000 04030201")


@dataclass(frozen=True)
class Seen:
    angle: int
    distance_m: int
    direction: str
    speed_kmh: int
    snr: int


@dataclass(frozen=True)
class Frame:
    alarm: bool
    targets: tuple[Seen, ...]


def parsed(data: bytes) -> list[Frame]:
    """Whole data frames only; raises AssertionError on anything else."""
    frames: list[Frame] = []
    while data:
        assert data[:4] == bytes.fromhex("f4f3f2f1"), data.hex()
        length = int.from_bytes(data[4:6], "little")
        content, tail, data = data[6 : 6 + length], data[6 + length : 10 + length], data[10 + length :]
        assert tail == bytes.fromhex("f8f7f6f5")
        assert length == 0 or length == 2 + 5 * content[0]
        targets = [
            Seen(angle - 0x80, distance, ("receding", "approaching")[direction], speed, snr)
            for angle, distance, direction, speed, snr in (content[place : place + 5] for place in range(2, length, 5))
        ]
        frames.append(Frame(bool(length and content[1]), tuple(targets)))
    return frames


def command(word: int, value: str = "") -> bytes:
    content = word.to_bytes(2, "little") + bytes.fromhex(value)
    return bytes.fromhex("fdfcfbfa") + len(content).to_bytes(2, "little") + content + bytes.fromhex("04030201")


def answer(chip: Ld2451, now: float, word: int, value: str = "") -> str:
    """Hex of what an answered command returns after its command word: status and value; empty if unanswered."""
    chip.transmit(now)
    chip.receive(command(word, value), now)
    data = chip.transmit(now)
    if not data:
        return ""
    assert data[:4] == bytes.fromhex("fdfcfbfa")
    assert data[-4:] == bytes.fromhex("04030201")
    assert int.from_bytes(data[4:6], "little") == len(data) - 10
    assert int.from_bytes(data[6:8], "little") == word | 0x0100
    return data[8:-4].hex()


def configured(chip: Ld2451, now: float, *commands: tuple[int, str]) -> Ld2451:
    chip.receive(ENABLE, now)
    for word, value in commands:
        assert answer(chip, now, word, value).startswith("0000")
    chip.receive(END, now)
    chip.transmit(now)
    return chip


def both_ways(chip: Ld2451, now: float, lowest_kmh: int = 0, farthest_m: int = 100, delay_s: int = 0) -> Ld2451:
    return configured(chip, now, (0x0002, f"{farthest_m:02x}02{lowest_kmh:02x}{delay_s:02x}"))


def watched(chip: Ld2451, start: float, end: float) -> list[tuple[float, Frame]]:
    """Every frame a board hears that listens whenever the chip speaks."""
    heard: list[tuple[float, Frame]] = []
    now = start
    while (due := chip.next_transmission(now)) is not None and due <= end:
        now = max(now, due)
        heard += [(now, frame) for frame in parsed(chip.transmit(now))]
    return heard


def test_the_manuals_example_is_what_the_parser_reads() -> None:
    (frame,) = parsed(bytes.fromhex("f4f3f2f1 1100 0301 8a28003c15 8a1e013c0f 765f003c0f f8f7f6f5"))
    assert [(seen.angle, seen.distance_m, seen.speed_kmh) for seen in frame.targets] == [
        (10, 40, 60),
        (10, 30, 60),
        (-10, 95, 60),
    ]


def test_an_empty_street_is_ten_empty_frames_a_second() -> None:
    chip = Ld2451(standing())
    heard = watched(chip, NOW, NOW + 10.05)
    assert [frame for _, frame in heard] == [Frame(False, ())] * 100
    assert all(b[0] - a[0] == pytest.approx(0.1, abs=1e-6) for a, b in itertools.pairwise(heard))
    assert chip.transmit(NOW + 10.15) == EMPTY


def test_an_approaching_car_comes_near_and_is_gone_before_it_passes() -> None:
    chip = Ld2451(standing(Passage(NOW + 20, "car", "approaching", 54.0)))
    heard = [(time, frame.targets[0]) for time, frame in watched(chip, NOW, NOW + 30) if frame.targets]
    times = [time for time, _ in heard]
    assert NOW + 20 - 100 / 15 - 0.3 < times[0] < NOW + 20 - 85 / 15
    assert NOW + 20 - 12 / 15 < times[-1] < NOW + 20
    assert len(heard) == pytest.approx((100 - 8) / 15 * 10, abs=6)
    for time, seen in heard:
        assert seen.direction == "approaching"
        assert seen.distance_m == pytest.approx((NOW + 20 - time) * 15, abs=3)
        assert seen.speed_kmh == pytest.approx(54, abs=5)
        assert -24 <= seen.angle <= 3
    assert heard[-1][1].snr > heard[0][1].snr + 10


def test_a_receding_car_goes_away_after_it_passed() -> None:
    chip = both_ways(Ld2451(standing(Passage(NOW + 20, "heavy", "receding", 36.0))), NOW)
    heard = [(time, frame.targets[0]) for time, frame in watched(chip, NOW, NOW + 40) if frame.targets]
    assert NOW + 21 < heard[0][0] < NOW + 23
    assert NOW + 28 < heard[-1][0] < NOW + 31
    for time, seen in heard:
        assert seen.direction == "receding"
        assert seen.distance_m == pytest.approx((time - NOW - 20) * 10, abs=4)
        assert seen.speed_kmh == pytest.approx(36, abs=4)


def test_several_at_once_and_never_more_than_five() -> None:
    street = [Passage(NOW + 10 + n / 2, "car", ("approaching", "receding")[n % 2], 50.0) for n in range(12)]
    chip = both_ways(Ld2451(standing(*street)), NOW)
    counts = [len(frame.targets) for _, frame in watched(chip, NOW, NOW + 30)]
    assert max(counts) == 5
    assert counts[-1] == 0


def test_bikes_show_later_and_pedestrians_never() -> None:
    bike = Passage(NOW + 60, "bike", "approaching", 18.0)
    chip = Ld2451(standing(bike, Passage(NOW + 30, "pedestrian", "approaching", 6.0)))
    farthest = [max(seen.distance_m for seen in f.targets) for _, f in watched(chip, NOW, NOW + 70) if f.targets]
    assert 45 < max(farthest) < 85
    assert len(farthest) > 50
    alone = Ld2451(standing(Passage(NOW + 30, "pedestrian", "approaching", 6.0)))
    assert all(not frame.targets for _, frame in watched(alone, NOW, NOW + 60))


def test_factory_settings_see_approaching_vehicles_only() -> None:
    street = [Passage(NOW + 10, "car", "receding", 50.0), Passage(NOW + 30, "car", "approaching", 50.0)]
    chip = Ld2451(standing(*street))
    assert {seen.direction for _, frame in watched(chip, NOW, NOW + 40) for seen in frame.targets} == {"approaching"}


def test_direction_speed_and_distance_filters() -> None:
    street = [
        Passage(NOW + 20, "car", "approaching", 30.0),
        Passage(NOW + 40, "car", "approaching", 60.0),
        Passage(NOW + 60, "car", "receding", 60.0),
    ]

    def seen_with(value: str) -> list[Seen]:
        chip = configured(Ld2451(standing(*street)), NOW, (0x0002, value))
        return [seen for _, frame in watched(chip, NOW, NOW + 80) for seen in frame.targets]

    assert {seen.direction for seen in seen_with("64000000")} == {"receding"}
    assert {seen.direction for seen in seen_with("64020000")} == {"receding", "approaching"}
    assert min(seen.speed_kmh for seen in seen_with("64022800")) >= 40
    assert max(seen.distance_m for seen in seen_with("1e020000")) == 30
    assert max(seen.distance_m for seen in seen_with("ff020000")) == 100


def test_the_alarm_is_held_for_the_no_target_delay() -> None:
    car = Passage(NOW + 10, "car", "approaching", 50.0)
    chip = both_ways(Ld2451(standing(car)), NOW, delay_s=3)
    heard = watched(chip, NOW, NOW + 20)
    last_seen = max(time for time, frame in heard if frame.targets)
    last_alarm = max(time for time, frame in heard if frame.alarm)
    assert last_alarm - last_seen == pytest.approx(3, abs=0.11)
    assert all(frame.alarm for time, frame in heard if frame.targets)


def test_sensitivity_asks_for_more_signal_and_more_detections() -> None:
    street = standing(Passage(NOW + 60, "bike", "approaching", 18.0))

    def frames_with(value: str) -> list[float]:
        chip = configured(Ld2451(street), NOW, (0x0003, value))
        return [time for time, frame in watched(chip, NOW, NOW + 70) if frame.targets]

    assert len(frames_with("01030000")) > len(frames_with("01080000")) > 10
    assert len(frames_with("01000000")) == len(frames_with("01040000"))
    assert frames_with("05040000")[0] > frames_with("01040000")[0] + 0.3


def test_configuration_mode_is_silent_but_for_answers() -> None:
    chip = Ld2451(standing(Passage(NOW + 5, "car", "approaching", 50.0)))
    chip.transmit(NOW)
    chip.receive(ENABLE, NOW)
    assert chip.next_transmission(NOW) == NOW
    assert chip.transmit(NOW) == ENABLED
    assert chip.next_transmission(NOW + 1) is None
    assert chip.transmit(NOW + 5) == b""
    chip.receive(END, NOW + 5)
    assert chip.transmit(NOW + 5) == ENDED
    assert parsed(chip.transmit(NOW + 6))


def test_commands_and_their_answers() -> None:
    chip = Ld2451(standing())
    assert answer(chip, NOW, 0x00FF, "0100") == "000001004000"
    assert answer(chip, NOW, 0x0012) == "000064010001"
    assert answer(chip, NOW, 0x0002, "32021e05") == "0000"
    assert answer(chip, NOW, 0x0012) == "000032021e05"
    assert answer(chip, NOW, 0x0013) == "000001040000"
    assert answer(chip, NOW, 0x0003, "04060000") == "0000"
    assert answer(chip, NOW, 0x0013) == "000004060000"
    assert answer(chip, NOW, 0x00A0)[:8] == "00005124"
    assert len(answer(chip, NOW, 0x00A0)) == 20
    assert answer(chip, NOW, 0x00FE) == "0000"


@pytest.mark.parametrize(
    ("word", "value"),
    [
        (0x0002, "09020000"),
        (0x0002, "64030000"),
        (0x0002, "64027900"),
        (0x0002, "6402"),
        (0x0003, "01020000"),
        (0x0003, "01090000"),
        (0x00A1, "0000"),
        (0x00A1, "0900"),
        (0x0077, ""),
    ],
)
def test_what_cannot_be_set_is_refused_and_changes_nothing(word: int, value: str) -> None:
    chip = Ld2451(standing())
    chip.receive(ENABLE, NOW)
    before = chip.settings
    assert answer(chip, NOW, word, value) == "0100"
    assert chip.settings == before


def test_outside_configuration_mode_commands_are_not_heard() -> None:
    chip = Ld2451(standing())
    for word, value in ((0x0012, ""), (0x0002, "32021e05"), (0x00A3, ""), (0x00FE, ""), (0x00A2, "")):
        assert answer(chip, NOW, word, value) == ""
    assert chip.settings == Ld2451(standing()).settings


def test_baud_rate_and_factory_settings_wait_for_the_restart() -> None:
    chip = Ld2451(standing())
    chip.receive(ENABLE, NOW)
    assert chip.baudrate == 115200
    assert answer(chip, NOW, 0x00A1, "0700") == "0000"
    assert answer(chip, NOW, 0x0002, "32021e05") == "0000"
    assert chip.baudrate == 115200
    assert answer(chip, NOW, 0x00A3) == "0000"
    assert chip.baudrate == 256000
    assert chip.transmit(NOW + 0.9) == b""
    assert parsed(chip.transmit(NOW + 1.5))
    chip.receive(ENABLE, NOW + 2)
    chip.transmit(NOW + 2)
    assert answer(chip, NOW + 2, 0x0012) == "000032021e05"
    assert answer(chip, NOW + 2, 0x00A2) == "0000"
    assert answer(chip, NOW + 2, 0x0012) == "000032021e05"
    assert answer(chip, NOW + 2, 0x00A3) == "0000"
    assert chip.baudrate == 115200
    chip.receive(ENABLE, NOW + 4)
    chip.transmit(NOW + 4)
    assert answer(chip, NOW + 4, 0x0012) == "000064010001"


@given(st.lists(st.integers(1, 9), max_size=9), st.binary(max_size=20))
@settings(max_examples=50, deadline=None)
def test_commands_arrive_in_pieces_and_after_noise(cuts: list[int], noise: bytes) -> None:
    chip = Ld2451(standing())
    chip.transmit(NOW)
    data = noise.replace(b"\xfd", b"\x00") + ENABLE
    for cut in cuts:
        chip.receive(data[:cut], NOW)
        data = data[cut:]
    chip.receive(data, NOW)
    assert chip.transmit(NOW) == ENABLED


def test_a_broken_command_does_not_swallow_the_next() -> None:
    chip = Ld2451(standing())
    chip.transmit(NOW)
    chip.receive(ENABLE[:-1] + b"\xff" + bytes.fromhex("fdfcfbfaffff") + ENABLE, NOW)
    assert chip.transmit(NOW) == ENABLED


def test_same_seed_same_frames_however_they_are_fetched() -> None:
    def frames(seed: int, step_s: float) -> bytes:
        chip = both_ways(Ld2451(World(seed=1), seed), NOW)
        return b"".join(chip.transmit(NOW + step_s * step) for step in range(1, round(120 / step_s) + 1))

    assert frames(1, 0.05) == frames(1, 5.0)
    assert frames(1, 5.0) != frames(2, 5.0)


def test_an_hour_of_the_street_is_told_vehicle_by_vehicle() -> None:
    world = World(seed=1)
    chip = both_ways(load("ld2451")(world, seed=3), NOW)  # type: ignore[arg-type]
    told: dict[str, int] = defaultdict(int)

    def tell(_: float, text: str) -> None:
        told[" ".join(text.split()[:2])] += 1

    chip.on_event = tell
    start = NOW + 1800
    watched(chip, NOW, start)
    told.clear()
    frames = watched(chip, start, start + 3600)
    expected: dict[str, int] = defaultdict(int)
    for passage in world.passages(start, start + 3600):
        if passage.kind != "pedestrian":
            expected[f"{passage.kind} {passage.direction}"] += 1
    assert set(told) == set(expected)
    for name, count in expected.items():
        # Who is in the beam at the edges of the hour counts here and not there.
        assert told[name] == pytest.approx(count, abs=4), name
    assert len(frames) == 36_000
    assert sum(1 for _, frame in frames if len(frame.targets) > 1) > 1000


def test_a_line_nobody_reads_keeps_ten_seconds_at_most() -> None:
    chip = Ld2451(standing())
    chip.transmit(NOW)
    assert len(chip.transmit(NOW + 86_400)) <= 101 * len(EMPTY)
