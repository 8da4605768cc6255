"""The Grove Vision AI V2 model, read by a parser written for the test."""

import base64
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standing_world import NOW, standing

from hadeda.emulator.chips import faults, load
from hadeda.emulator.chips.grove_vision import Flaws, GroveVision
from hadeda.scenario import Passage, World

READY = NOW + 1.1
FLAWLESS = {"missed": 0.0, "confused": 0.0, "doubled": 0.0, "ghost": 0.0}


def parsed(data: bytes) -> list[dict[str, Any]]:
    """Whole lines only; raises AssertionError on anything else."""
    lines = data.split(b"\n")
    assert lines.pop() == b""
    assert all(line[:1] == b"\r" and line.count(b"\r") == 1 for line in lines)
    replies = [json.loads(line) for line in lines]
    assert all(set(reply) == {"type", "name", "code", "data"} for reply in replies)
    return replies


def module(*passing: Passage, **options: Any) -> GroveVision:
    """A module that has started."""
    chip = GroveVision(standing(*passing), flaws=Flaws(**{**FLAWLESS, **options.pop("flaws", {})}), **options)
    chip.transmit(NOW)
    chip.transmit(READY)
    return chip


def ask(chip: GroveVision, command: str, now: float = READY, wait_s: float = 0.01) -> list[dict[str, Any]]:
    chip.receive(f"AT+{command}\r".encode(), now)
    return parsed(chip.transmit(now + wait_s))


def watched(chip: GroveVision, start: float, end: float, command: str = "INVOKE=-1,0,1") -> list[tuple[float, Any]]:
    """The data of every event a board hears that listens whenever the chip speaks."""
    chip.receive(f"AT+{command}\r".encode(), start)
    heard: list[tuple[float, Any]] = []
    now = start
    while (due := chip.next_transmission(now)) is not None and due <= end:
        now = max(now, due)
        heard += [(now, reply["data"]) for reply in parsed(chip.transmit(now)) if reply["type"] == 1]
    return heard


def test_it_says_when_it_has_started_and_nothing_unasked_after() -> None:
    chip = GroveVision(standing())
    assert chip.transmit(NOW) == b""
    assert chip.next_transmission(NOW) == pytest.approx(NOW + 1)
    sensor, ready = parsed(chip.transmit(NOW + 2))
    assert (sensor["type"], sensor["name"]) == (1, "INIT@SENSOR")
    assert ready == {"type": 0, "name": "INIT@STAT?", "code": 0, "data": {"boot_count": 0, "is_ready": 1}}
    assert chip.next_transmission(NOW + 2) is None


def test_questions_and_their_answers() -> None:
    chip = module()
    (identity,) = ask(chip, "ID?")
    assert identity == {"type": 0, "name": "ID?", "code": 0, "data": "7e2d02cf"}
    assert ask(chip, "10@ID?")[0]["name"] == "10@ID?"
    assert ask(chip, "VER?")[0]["data"]["at_api"] == "v0"
    assert ask(chip, "STAT?")[0]["data"]["is_ready"] == 1
    assert ask(chip, "SENSOR=1,1,0")[0]["data"]["sensor"]["opt_detail"] == "240x240 Auto"
    assert ask(chip, "SENSOR=2,1,0")[0]["code"] == 5
    assert ask(chip, "INVOKE?")[0]["data"] == 0


def test_what_it_does_not_understand_is_a_log() -> None:
    chip = module()
    for command in ("HELLO", "INVOKE=1", "INVOKE=1,1", "INVOKE=1,0,1,0", "INVOKE=a,b,c", "TSCORE=", "ID?=1"):
        (reply,) = ask(chip, command)
        assert (reply["type"], reply["name"], reply["code"]) == (2, "AT", 5), command
    newer = module(invoke_arguments=2)
    assert ask(newer, "INVOKE=1,0,1")[0]["type"] == 2
    assert [reply["type"] for reply in ask(newer, "INVOKE=1,1", wait_s=1)] == [0, 1]


def test_thresholds_are_kept_within_their_range() -> None:
    chip = module()
    assert ask(chip, "TSCORE?")[0]["data"] == 60
    assert ask(chip, "TSCORE=70")[0] == {"type": 0, "name": "TSCORE", "code": 0, "data": 70}
    assert ask(chip, "TSCORE=101")[0] == {"type": 0, "name": "TSCORE", "code": 5, "data": 70}
    assert ask(chip, "TIOU=45")[0]["data"] == 45


def test_one_invocation_is_one_answer_and_one_event_without_a_picture() -> None:
    chip = module()
    answer, event = ask(chip, "INVOKE=1,0,1", wait_s=5)
    assert (answer["type"], answer["name"], set(answer["data"])) == (0, "INVOKE", {"model", "algorithm", "sensor"})
    data = event.pop("data")
    assert event == {"type": 1, "name": "INVOKE", "code": 0}
    assert data == {"count": 1, "perf": [8, 50, 1], "boxes": [], "resolution": [240, 240]}
    assert chip.next_transmission(READY + 5) is None
    assert chip.pictures_sent == 0


def test_an_endless_invocation_ends_with_break() -> None:
    chip = module()
    counts = [data["count"] for _, data in watched(chip, READY, READY + 1.01)]
    assert counts == list(range(1, 15))
    assert ask(chip, "INVOKE?", READY + 1.02)[0]["data"] == 1
    stopped = ask(chip, "BREAK", READY + 1.04)
    assert stopped[-1]["name"] == "BREAK"
    assert chip.next_transmission(READY + 2) is None


def test_a_picture_only_when_asked_or_disobedient() -> None:
    chip = module()
    (event,) = [reply for reply in ask(chip, "INVOKE=1,0,0", wait_s=1) if reply["type"] == 1]
    assert len(base64.b64decode(event["data"]["image"])) == 6000
    chip.flaws.disobedient = True
    (event,) = [reply for reply in ask(chip, "INVOKE=1,0,1", READY + 2, wait_s=1) if reply["type"] == 1]
    assert "image" in event["data"]
    assert chip.pictures_sent == 2


def test_differed_results_come_when_they_differ() -> None:
    chip = module(Passage(NOW + 10, "car", "approaching", 50.0))
    assert watched(chip, READY, READY + 3, "INVOKE=-1,1,1") == []
    heard = watched(chip, READY + 3, READY + 15, "INVOKE=-1,1,1")
    assert 10 < len(heard) < 60
    assert heard[-1][1]["boxes"] == []


def test_a_car_goes_through_the_picture_to_its_side() -> None:
    for direction, first, last in (("approaching", 215, 25), ("receding", 25, 215)):
        chip = module(Passage(NOW + 10, "car", direction, 36.0))
        heard = [(at, data["boxes"][0]) for at, data in watched(chip, READY, NOW + 20) if data["boxes"]]
        assert len(heard) > 12
        assert heard[0][1][0] == pytest.approx(first, abs=25)
        assert heard[-1][1][0] == pytest.approx(last, abs=25)
        at, middle = min(heard, key=lambda entry: abs(entry[1][0] - 120))
        assert at == pytest.approx(NOW + 10, abs=0.15)
        assert middle[5] == 2
        for _, (x, y, w, h, score, _target) in heard:
            assert x - w / 2 + 1 >= 0
            assert x + w / 2 - 1 <= 240
            assert 0 < y < 240
            assert h > 10
            assert 60 <= score <= 99


def test_each_kind_is_seen_as_what_it_is() -> None:
    def targets(kind: str, seed: int = 0) -> set[int]:
        chip = module(Passage(NOW + 10, kind, "receding", 20.0), seed=seed)
        return {box[5] for _, data in watched(chip, READY, NOW + 20) for box in data["boxes"]}

    assert targets("car") == {2}
    assert targets("pedestrian") == {0}
    assert targets("bike") == {0, 1}
    assert set().union(*(targets("heavy", seed) for seed in range(12))) == {5, 7}
    assert all(len(targets("heavy", seed)) == 1 for seed in range(12))


def test_class_numbers_are_the_models() -> None:
    chip = module(
        Passage(NOW + 10, "pedestrian", "receding", 5.0),
        targets={"person": 9, "bicycle": 8, "car": 7, "bus": 6, "truck": 5},
    )
    assert {box[5] for _, data in watched(chip, READY, NOW + 12) for box in data["boxes"]} == {9}


def test_detectors_err_as_often_as_they_are_told() -> None:
    def frames(**flaws: float) -> list[list[list[int]]]:
        chip = module(Passage(NOW + 60, "car", "receding", 3.0), flaws=flaws)
        return [data["boxes"] for at, data in watched(chip, READY, NOW + 64) if at > NOW + 58]

    assert all(len(boxes) == 1 for boxes in frames())
    assert sum(not boxes for boxes in frames(missed=0.5)) == pytest.approx(43, abs=15)
    assert Counter(box[5] for boxes in frames(confused=0.3) for box in boxes)[7] == pytest.approx(26, abs=12)
    assert sum(len(boxes) == 2 for boxes in frames(doubled=0.5)) == pytest.approx(43, abs=15)
    assert sum(len(boxes) == 2 for boxes in frames(ghost=0.5)) == pytest.approx(43, abs=15)


def test_events_cut_short_and_sent_twice() -> None:
    chip = module(flaws={"repeated": 1.0})
    assert [reply["type"] for reply in ask(chip, "INVOKE=1,0,1", wait_s=1)] == [0, 1, 1]
    chip = module(flaws={"truncated": 1.0})
    chip.receive(b"AT+INVOKE=40,0,1\r", READY)
    said = chip.transmit(READY + 5)
    answer, *cut = said.split(b"\r")[1:]
    assert json.loads(answer)["type"] == 0
    assert len(cut) == 40
    assert not any(line.endswith(b"}}\n") for line in cut)
    assert 5 < sum(line.endswith(b"\n") for line in cut) < 35


def test_without_a_camera_it_answers_with_an_error() -> None:
    chip = module(flaws={"blind": True})
    answer, event = ask(chip, "INVOKE=-1,0,1", wait_s=5)
    assert answer["code"] == 0
    assert (event["type"], event["code"], event["data"]) == (1, 4, {"count": 1})


def test_it_hears_nothing_while_it_starts_and_forgets_when_it_starts_again() -> None:
    chip = GroveVision(standing())
    chip.receive(b"AT+ID?\r", NOW)
    assert [reply["name"] for reply in parsed(chip.transmit(NOW + 3))] == ["INIT@SENSOR", "INIT@STAT?"]
    chip.receive(b"AT+INVOKE=-1,0,1\r", NOW + 3)
    chip.receive(b"AT+RST\r", NOW + 4)
    assert [reply["name"] for reply in parsed(chip.transmit(NOW + 10))] == ["INIT@SENSOR", "INIT@STAT?"]


@given(st.lists(st.integers(1, 5), max_size=9), st.binary(max_size=20))
@settings(max_examples=50, deadline=None)
def test_commands_arrive_in_pieces_and_after_noise(cuts: list[int], noise: bytes) -> None:
    chip = module()
    data = noise.replace(b"\r", b"").replace(b"AT+", b"") + b"\nAT+ID?\r\n"
    for cut in cuts:
        chip.receive(data[:cut], READY)
        data = data[cut:]
    chip.receive(data, READY)
    assert parsed(chip.transmit(READY + 0.01))[0]["name"] == "ID?"


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_no_bytes_break_it(data: bytes) -> None:
    chip = module()
    chip.receive(data, READY)
    chip.receive(b"\rAT+INVOKE=0,0,1\r\rAT+ID?\r", READY)
    assert parsed(chip.transmit(READY + 1))[-1]["name"] == "ID?"


def test_same_seed_same_lines_however_they_are_fetched() -> None:
    def lines(seed: int, step_s: float) -> bytes:
        chip = GroveVision(World(seed=1), seed, flaws=Flaws(truncated=0.1, repeated=0.1))
        chip.transmit(NOW)
        chip.transmit(NOW + 2)
        chip.receive(b"AT+INVOKE=-1,0,1\r", NOW + 2)
        return b"".join(chip.transmit(NOW + 2 + step_s * step) for step in range(1, round(60 / step_s) + 1))

    assert lines(1, 0.05) == lines(1, 5.0)
    assert lines(1, 5.0) != lines(2, 5.0)


def test_a_line_nobody_reads_keeps_ten_seconds_at_most() -> None:
    chip = module()
    chip.receive(b"AT+INVOKE=-1,0,1\r", READY)
    assert len(parsed(chip.transmit(READY + 86_400))) <= 150


def test_wires_fail_as_they_do_for_other_parts() -> None:
    chip = faults.Silent(module(), READY)
    chip.receive(b"AT+ID?\r", READY)
    assert chip.transmit(READY + 1) == b""
    noisy = faults.Garbage(module(), seed=1)
    noisy.receive(b"AT+ID?\r", READY)
    assert noisy.transmit(READY + 1).endswith(b'"7e2d02cf"}\n')
    assert noisy.baudrate == 921_600


def test_an_hour_of_the_street_is_told_once_each() -> None:
    world = World(seed=1)
    chip = load("grove_vision")(world, seed=3)
    told: Counter[str] = Counter()
    chip.on_event = lambda _, text: told.update([text])
    chip.transmit(NOW)
    chip.transmit(NOW + 2)
    start = NOW + 1800
    watched(chip, start - 2, start)  # type: ignore[arg-type]
    told.clear()
    now = start
    while now < start + 600:
        now += 0.5
        chip.transmit(now)
    expected = Counter(f"{passage.kind} {passage.direction}" for passage in world.passages(start, start + 600))
    assert set(told) == set(expected)
    for name, count in expected.items():
        assert told[name] == pytest.approx(count, abs=1), name
