"""Boards with a contact on a bare pin: a loop's detector counts the street, a motion detector counts whom it can.

The wires fail in every way they can; what reads like nobody is told as nobody, anything else withholds the cells.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from lamp_post import HOUR_S, MORNING, LampPost, Template, make_template
from mosquitto_process import free_port
from test_selftest import lines_of

from hadeda.board import Board, load
from hadeda.emulator.chips import faults
from hadeda.emulator.chips.hc_sr501 import in_reach
from hadeda.emulator.chips.td136 import PULSE_S, Td136
from hadeda.paths import BOARDS
from hadeda.registry import StoredReport
from hadeda.selftest import Status

LOOP = "esp32-devkitc-v4-loop"
DETECTOR = 1
EVENING = 17 * HOUR_S - 60
LATE = 20 * HOUR_S - 180
ONE_CELL = {"directions": 'directions = ["either"]', "speed_bands_kmh": "speed_bands_kmh = []"}
HOURS = ONE_CELL | {"seconds": "seconds = 3600"}
ANYBODY = {"classes": 'classes = ["presence"]'}
SETTLED_S = PULSE_S + 0.1  # after a pulse's begin it is counted, to a look

Raise = Callable[..., LampPost]


def motion_board(folder: Path) -> Board:
    """The loop's board with a motion detector in its place, on a pin with a pull-up of its own."""
    text = (BOARDS / LOOP / "board.toml").read_text(encoding="utf-8")
    for old, new in (('"td136"', '"hc_sr501"'), ("pin = 34", "pin = 27"), ('"external"', '"internal"')):
        assert text.count(old) == 1
        text = text.replace(old, new)
    file = folder / "board.toml"
    file.write_text(text, encoding="utf-8")
    return load(file)


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Template]:
    """Provisioned nodes, each made when it is first asked for."""
    made: dict[str, Template] = {}

    def template(name: str, lines: Mapping[str, str], more: str = "") -> Template:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            board = motion_board(folder) if name.startswith("motion") else load(LOOP)
            made[name] = make_template(board, folder, free_port(), lines=lines, more=more)
        return made[name]

    return template


@pytest.fixture
def raise_one(templates: Callable[..., Template], tmp_path: Path) -> Iterator[Raise]:
    """Put up a lamp post with a city: its template's name, lines of its policy, when it starts, its windows."""
    with ExitStack() as standing:

        def raise_post(
            name: str, lines: Mapping[str, str], start: float, window_s: int = HOUR_S, more: str = ""
        ) -> LampPost:
            post = standing.enter_context(LampPost(templates(name, lines, more), tmp_path, start=start))
            post.window_s = window_s
            post.open_city()
            return post

        yield raise_post


def count(report: StoredReport) -> int:
    (cell,) = report.traffic
    return cell.count or 0


def withheld(report: StoredReport) -> str | None:
    (cell,) = report.traffic
    return cell.withheld


def faults_of(report: StoredReport) -> set[tuple[str, str, int]]:
    return {(fault.part, fault.kind, fault.count) for fault in report.faults}


def watched(post: LampPost) -> list[float]:
    """When the detector's pulses begin, as they come."""
    begun: list[float] = []
    _, chip = post.emulated.wiring.parts[DETECTOR]
    chip.on_event = lambda at, _: begun.append(at)
    return begun


def of_window(begun: list[float], report: StoredReport) -> int:
    """How many pulses ended in a report's window."""
    start = report.window_start.timestamp()
    return sum(start <= at + SETTLED_S < start + report.window_s for at in begun)


def spoil(post: LampPost, fault: Callable[..., object], start_s: float, length_s: float) -> None:
    """Put a fault on the detector's wire, from so many seconds after the first full window's start."""
    begin = post.world.start_s + post.start + 60 + start_s
    _, chip = post.emulated.wiring.parts[DETECTOR]
    faulty = fault(chip, begin, begin + length_s, seed=post.seed)
    post.emulated.wiring.attach(post.board, DETECTOR, faulty)  # type: ignore[arg-type]


def test_a_loop_counts_a_busy_hour_pulse_by_pulse(raise_one: Raise) -> None:
    post = raise_one("loop hours", HOURS, EVENING)
    begun = watched(post)
    post.power_on()
    post.run_until_stored(2, limit_s=200)
    rush = post.stored[1]
    assert rush.window_s == HOUR_S
    assert abs(count(rush) - of_window(begun, rush)) <= 1
    start = rush.window_start.timestamp()
    truth = sum(passage.kind in ("car", "heavy") for passage in post.world.passages(start, start + HOUR_S))
    assert truth > 400
    assert 5 / 6 * truth <= count(rush) < truth
    assert [faults_of(report) for report in post.stored] == [set()] * 2
    peak = max(report.health.heap_high_water_bytes for report in post.stored)
    assert peak < post.board.budgets.heap_kb * 1024


def test_a_worn_contact_that_bounces_for_long_counts_as_much(raise_one: Raise) -> None:
    post = raise_one("loop", ONE_CELL, MORNING, 60)
    worn = Td136(post.world, post.seed, bounce_s=0.045)
    post.emulated.wiring.attach(post.board, DETECTOR, worn)
    begun = watched(post)
    post.power_on()
    post.run_windows(8)
    reports = post.wait_stored(8)[1:]
    assert sum(map(count, reports)) == pytest.approx(sum(of_window(begun, each) for each in reports), abs=1)
    assert sum(map(count, reports)) > 20
    assert [faults_of(report) for report in reports] == [set()] * len(reports)


@pytest.mark.parametrize("fault", [faults.Cut, faults.Chattering])
def test_a_wire_that_is_off_or_loose_withholds_its_windows_and_comes_back(raise_one: Raise, fault: type) -> None:
    post = raise_one("loop", ONE_CELL, MORNING, 60)
    spoil(post, fault, 120, 180)
    begun = watched(post)
    post.power_on()
    post.run_windows(9)
    reports = post.wait_stored(9)[1:]
    for number, report in enumerate(reports):
        if number in (2, 3, 4):
            assert withheld(report) == "sensor blind", (number, report)
            assert faults_of(report) == {("td136", "no answer", 1)}
    assert [faults_of(reports[at]) for at in (0, 1, 7)] == [set()] * 3
    for at in (0, 1, 7):
        assert abs(count(reports[at]) - of_window(begun, reports[at])) <= 1


def test_a_wire_at_ground_is_told_as_an_empty_street_and_as_no_fault(raise_one: Raise) -> None:
    """The node could only tell it by an exact count of nobody; the city sees cells below k."""
    post = raise_one("loop", ONE_CELL, MORNING, 60)
    spoil(post, faults.Shorted, 60, 120)
    post.power_on()
    post.run_windows(5)
    reports = post.wait_stored(5)[1:]
    assert [withheld(report) for report in reports[1:3]] == ["below k"] * 2
    assert [faults_of(report) for report in reports] == [set()] * len(reports)
    assert count(reports[0]) > 0
    assert count(reports[3]) > 0


def test_a_motion_detector_counts_whom_it_can_and_its_warming_up_is_blind(raise_one: Raise) -> None:
    post = raise_one("motion hours", HOURS | ANYBODY, LATE, more="\n[presence]\n")
    begun = watched(post)
    post.power_on()
    post.run_until_stored(2, limit_s=200)
    first, hour = post.stored
    assert withheld(first) == "sensor blind"
    assert abs(count(hour) - of_window([at + 2.0 for at in begun], hour)) <= 1
    start = hour.window_start.timestamp()
    near = sum(map(in_reach, post.world.passages(start, start + HOUR_S)))
    assert near > 50
    assert count(hour) == pytest.approx(near / (1 + near / 650), rel=0.12, abs=3)
    assert faults_of(hour) == set()


def test_a_motion_detector_says_nothing_under_a_policy_without_presence(raise_one: Raise) -> None:
    post = raise_one("motion forbidden", ONE_CELL | ANYBODY, MORNING, 60)
    post.power_on()
    post.run_windows(4)
    assert {withheld(report) for report in post.wait_stored(4)} == {"not allowed"}


def test_the_self_test_says_what_a_contact_tells_and_no_more(raise_one: Raise) -> None:
    post = raise_one("loop", ONE_CELL, 2 * HOUR_S, 60)
    rest = lines_of(post)["sensor td136 on loop"]
    assert (rest.status, rest.found.split(":")[0][:7]) == (Status.NOT_KNOWN, "at rest")
    spoil(post, faults.Cut, -7200, 10 * HOUR_S)
    cut = lines_of(post)["sensor td136 on loop"]
    assert cut.status == Status.FAIL
    assert "does not come to rest" in cut.found
    assert "cable" in cut.advice
