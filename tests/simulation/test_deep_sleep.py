"""A node that sleeps deeply between samples: what it tells of the air, what a storm does to it, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from simulated_street import SEED, WINDOW_US

from hadeda.board import Board, load
from hadeda.board.schema import DeepSleep
from hadeda.collect.collector import Status
from hadeda.registry import reports
from hadeda.simulate.faults import Faults
from hadeda.simulate.profiles import PROFILES
from hadeda.simulate.provisioning import prepare
from hadeda.simulate.street import Street, Wanted

SOLAR = "esp32-c3-devkitm-1-solar"
BuildStreet = Callable[..., Street]


def every_window(board: Board) -> Board:
    """The same with the radio on after every window."""
    return board.model_copy(update={"sleep": DeepSleep(radio_every=1)})


@pytest.fixture
def build_street(tmp_path: Path) -> Iterator[BuildStreet]:
    """A street of one such board: in which weather, for so many windows."""
    with ExitStack() as standing:

        def build(board: Board, windows: float, profile: str = "none", seed: int = SEED) -> Street:
            prepare(board, [0], seed, tmp_path, lambda _: None)
            wanted = Wanted(board, 1, round(windows * WINDOW_US), seed, profile)
            faults: Faults = PROFILES[profile](seed, 1, wanted.length_us)
            return standing.enter_context(Street(wanted, faults, tmp_path))

        yield build


def test_windows_lie_back_to_back_and_the_radio_is_on_after_every_fourth(build_street: BuildStreet) -> None:
    board = load(SOLAR)
    street = build_street(board, 9.9)
    outcomes: list[Status] = []
    street.on_outcome.append(lambda outcome: outcomes.append(outcome.status))
    street.run(lambda _: None)
    assert street.violations == []
    (post,) = street.posts
    found = sorted(reports(street.city.database), key=lambda report: report.window_start)
    starts = [report.window_start.timestamp() for report in found]
    lengths = [report.window_s for report in found]
    assert [start + length for start, length in zip(starts, lengths, strict=True)][:-1] == starts[1:]
    assert lengths[1:] == [900] * (len(found) - 1)
    # One fewer where the node woke a slot after the window before
    assert {channel.n for report in found[1:] for channel in report.air} == {14, 15}
    # At the start for the time; after the first window; after four more, twice
    assert post.emulated.radio.sessions == 4
    assert len(found) == 9
    assert {report.health.boots for report in found} == {1}, "waking up is no boot"
    assert {report.health.reset_cause for report in found} == {1}, "nor a reset to tell of"
    assert {report.clock for report in found} == {"synchronised"}
    assert outcomes.count(Status.REPEATED) == 0, "what the broker has taken is sent again"


def test_between_samples_nothing_is_written_to_the_flash(build_street: BuildStreet) -> None:
    street = build_street(load(SOLAR), 1.0)
    (post,) = street.posts
    seen = []
    post.power_on(0)
    for minute in range(2, 13):
        street.run_until(minute * 60_000_000, lambda _: None)
        flash = post.emulated.flash
        seen.append((flash.programs, flash.erases, bool(post.emulated.rtc.memory[32:])))
    assert len(set(seen)) == 1, seen
    assert seen[0][2], "the open window is not in RTC memory: this test sees nothing"


@pytest.mark.parametrize("seed", [1, 3])
def test_a_storm_loses_nothing_and_repeats_nothing(build_street: BuildStreet, seed: int) -> None:
    street = build_street(every_window(load(SOLAR)), 24, "storm", seed)
    street.run(lambda _: None)
    assert street.violations == []
    (post,) = street.posts
    assert post.emulated.wakes > 100
    assert len(post.emulated.resets) - post.emulated.wakes > 2, "no power failed: this test sees nothing"
