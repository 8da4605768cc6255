"""The OPS243-A model: commands as its manual has them, lines as they were captured, echoes of the street."""

import json
import re
from collections.abc import Iterator

import pytest
from standing_world import NOW, standing

from hadeda.emulator.chips import load
from hadeda.emulator.chips.ops243a import Echo, Ops243a, Settings, report
from hadeda.scenario import Passage, World

OURS = b"UKOJOMR>10\rS2"
CAPTURED = '{"magnitude":"467.72","speed":"-0.25"}'  # less its distance, which the OPS243-A does not have


def radar(*passing: Passage) -> Ops243a:
    made = load("ops243a")(standing(*passing), 1)
    assert isinstance(made, Ops243a)
    return made


def asked(chip: Ops243a, command: bytes, now: float = NOW) -> list[str]:
    chip.transmit(now)
    chip.receive(command, now)
    return chip.transmit(now).decode().splitlines()


def told(chip: Ops243a, start: float, end: float) -> Iterator[tuple[float, str]]:
    """(moment, line) of everything it says."""
    now: float | None = start
    while (now := chip.next_transmission(now)) is not None and now < end:
        for line in chip.transmit(now).decode().splitlines():
            yield now, line
        now += 1e-6


def speeds(lines: Iterator[tuple[float, str]]) -> list[tuple[float, float, float]]:
    """(moment, speed, magnitude)."""
    said = [(at, json.loads(line)) for at, line in lines]
    return [(at, float(each["speed"]), float(each["magnitude"])) for at, each in said if "speed" in each]


def car(time_s: float = NOW + 20, direction: str = "approaching", kmh: float = 50.0, kind: str = "car") -> Passage:
    return Passage(time_s, kind, direction, kmh)


def test_documented_answers() -> None:
    chip = radar()
    assert asked(chip, b"U?") == ['{"Units":"m-per-sec"}']
    for command, answer in (
        (b"UK", '{"Units":"km-per-hr"}'),
        (b"UC", '{"Units":"cm-per-sec"}'),
        (b"UF", '{"Units":"ft-per-sec"}'),
        (b"UM", '{"Units":"m-per-sec"}'),
        (b"US", '{"Units":"mph"}'),
        (b"U?", '{"Units":"mph"}'),
        (b"OJ", '{"OutputFeature":"J"}'),
        (b"OM", '{"OutputFeature":"M"}'),
        (b"?P", '{"Product":"OPS243 Doppler"}'),
        (b"?V", '{"Version":"1.3.1"}'),
    ):
        assert asked(chip, command) == [answer]
    assert asked(chip, b"S2") == ['{"SamplingRate":20000, "resolution":0.1214}']


def test_a_report_s_line_is_the_captured_one() -> None:
    echo = Echo(-0.25, 467.72)
    assert report(Settings(json=True, magnitude=True), [echo]) == CAPTURED
    assert report(Settings(), [echo]) == "-0.25"
    assert report(Settings(magnitude=True), [echo]) == "467.72,-0.25"
    assert report(Settings(units=True, unit="K"), [echo]) == '"kmph",-0.90'
    assert json.loads(report(Settings(json=True, reports=2), [echo, Echo(1.5, 9)])) == {"speed": ["-0.25", "1.50"]}


def test_unknown_commands_and_noise_go_unanswered_and_numbers_need_their_end() -> None:
    chip = radar()
    assert asked(chip, b"XYZZ\x00\xff") == []
    assert asked(chip, b"R>1") == []
    assert asked(chip, b"0\r") == ['{"RequiredMinSpeed":"10.000"}']
    assert chip.settings.slowest == 10
    assert asked(chip, b"R>x\r") == []
    assert asked(chip, b"R>" + b"9" * 40) != [""]
    assert asked(chip, b"\r\nU?\r\n") == ['{"Units":"m-per-sec"}']


def test_who_comes_is_positive_and_who_goes_negative_in_the_units_asked_for() -> None:
    for direction, sign, seen in (("approaching", 1, (11, 20)), ("receding", -1, (20, 30))):
        chip = radar(car(direction=direction))
        asked(chip, OURS)
        lines = speeds(told(chip, NOW, NOW + 60))
        assert len(lines) > 40
        fastest = max(lines, key=lambda line: abs(line[1]))
        assert fastest[1] == pytest.approx(50 * sign, abs=2)
        assert all(NOW + seen[0] <= at <= NOW + seen[1] for at, _, _ in lines)


def test_the_echo_grows_with_the_square_of_nearness() -> None:
    chip = radar(car())
    asked(chip, OURS)
    lines = speeds(told(chip, NOW, NOW + 60))
    assert lines[-1][2] > 50 * lines[0][2]


def test_before_it_is_told_anything_it_speaks_plainly_in_metres_a_second() -> None:
    lines = [line for _, line in told(radar(car()), NOW, NOW + 60)]
    assert all(re.fullmatch(r"-?\d+\.\d\d", line) for line in lines)
    assert max(map(float, lines)) == pytest.approx(50 / 3.6, abs=0.5)


def test_filters() -> None:
    walker, fast = car(kind="pedestrian", kmh=5), car(kmh=150)
    assert speeds(told(configured(walker, b"R>0\r"), NOW, NOW + 60))
    assert not speeds(told(configured(walker), NOW, NOW + 60))
    assert speeds(told(configured(fast), NOW, NOW + 60))
    assert not [speed for _, speed, _ in speeds(told(configured(fast, b"SX"), NOW, NOW + 60)) if speed > 112]
    assert not speeds(told(configured(car(), b"R-"), NOW, NOW + 60))
    assert not speeds(told(configured(car(), b"R<20\r"), NOW, NOW + 18))


def configured(who: Passage, more: bytes = b"") -> Ops243a:
    chip = radar(who)
    asked(chip, OURS + more)
    return chip


def test_only_the_strongest_is_told_unless_more_are_asked_for() -> None:
    near, far = car(), car(NOW + 22, kmh=30)
    chip = radar(near, far)
    asked(chip, OURS)
    assert all(isinstance(json.loads(line)["speed"], str) for _, line in told(chip, NOW, NOW + 60))
    chip = radar(near, far)
    asked(chip, OURS + b"O3")
    both = [json.loads(line) for _, line in told(chip, NOW, NOW + 60)]
    assert any(isinstance(line["speed"], list) for line in both)
    for line in both:
        if isinstance(line["speed"], list):
            assert list(map(float, line["magnitude"])) == sorted(map(float, line["magnitude"]), reverse=True)


def test_a_supply_that_failed_brings_back_what_its_flash_has() -> None:
    chip = configured(car())
    chip.brown_out(NOW)
    assert chip.settings == Settings()
    asked(chip, OURS + b"A!", NOW + 2)
    kept = chip.settings
    assert asked(chip, b"P!", NOW + 3) == []
    assert chip.settings == kept


def test_baud_rates() -> None:
    chip = radar()
    assert chip.baudrate == 19200
    asked(chip, b"I4")
    assert chip.baudrate == 115_200


def test_the_same_street_and_seed_say_the_same_however_often_it_is_asked() -> None:
    world = World(seed=7)
    start = world.start_s + 10 * 3600
    often, seldom = (load("ops243a")(world, 1) for _ in range(2))
    assert isinstance(often, Ops243a)
    assert isinstance(seldom, Ops243a)
    for chip in (often, seldom):
        asked(chip, OURS, start)
    one = b"".join(often.transmit(start + tick / 4) for tick in range(4 * 120))
    other = b"".join(seldom.transmit(start + 5 * tick) for tick in range(25))
    assert len(one) > 1000
    assert other.startswith(one[:-200])


def test_a_line_nobody_reads_keeps_the_last_seconds_only() -> None:
    chip = configured(car())
    assert chip.transmit(NOW + 3600) == b""
