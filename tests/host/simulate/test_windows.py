"""Windows are counted by time and power alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hadeda.simulate.windows import RUNNING, Windows

WINDOW_S = 900
MINUTE_US = 60_000_000


class Board:
    """As much of a board as the counting looks at; its calendar starts `minutes` into a window."""

    def __init__(self, minutes: float = 0) -> None:
        self.now_us = 0
        self.calendar_us = 800_000_000_000_000 // (WINDOW_S * 1_000_000) * WINDOW_S * 1_000_000
        self.calendar_us += int(minutes * MINUTE_US)
        self.clock = SimpleNamespace(now_us=lambda: self.now_us)
        self.rtc = SimpleNamespace(time_us=lambda: self.calendar_us)
        self.resets = [1]
        self.wakes = 0
        self.board = SimpleNamespace(sleep=None)
        self.powered = True
        self.sealed = 0
        self.late = 0
        self.windows = Windows(self, WINDOW_S, self)  # type: ignore[arg-type]

    @property
    def numbers(self) -> range:
        """Those of the sealed reports, as in its flash."""
        return range(self.sealed)

    def say(self, text: bytes) -> None:
        self.windows.heard(text)

    def wait(self, minutes: float, rests: int = 10) -> None:
        for _ in range(rests):
            self.now_us += int(minutes * MINUTE_US / rests)
            self.calendar_us += int(minutes * MINUTE_US / rests)
            self.windows.look()


def test_a_node_that_does_not_run_yet_has_no_window() -> None:
    board = Board()
    board.wait(60)
    board.say(b"hadeda: no time\n")
    assert board.windows.opened == 0


def test_one_window_for_each_quarter_of_an_hour_that_it_saw_and_the_one_that_is_open() -> None:
    board = Board(minutes=10)
    board.say(RUNNING + b", 0 reports waiting")
    assert board.windows.opened == 1
    board.wait(4)
    assert board.windows.opened == 1
    board.wait(2)
    assert board.windows.opened == 2
    board.wait(45)
    assert board.windows.opened == 5
    assert board.windows.cuts == 0


@pytest.mark.parametrize("by_reset", [True, False])
def test_the_open_one_is_cut_off(by_reset: bool) -> None:
    board = Board()
    board.say(RUNNING)
    board.wait(20)
    board.sealed = 1
    if by_reset:
        board.resets.append(2)
    else:
        board.powered = False
    board.windows.look()
    assert (board.windows.opened, board.windows.cuts) == (2, 1)
    board.powered = True
    board.wait(60)
    assert board.windows.opened == 2, "it boots"
    board.say(RUNNING)
    assert board.windows.opened == 3


def test_a_reset_that_is_over_before_the_board_rests_cuts_a_window_all_the_same() -> None:
    board = Board()
    board.say(RUNNING)
    board.wait(5)
    board.resets.append(2)
    board.say(b"half a li" + RUNNING)
    board.windows.look()
    assert (board.windows.opened, board.windows.cuts) == (2, 1)


def test_cut_while_it_was_closing_the_next_one_was_not_opened_yet() -> None:
    board = Board(minutes=14.9)
    board.say(RUNNING)
    board.wait(0.2)
    assert board.windows.opened == 2
    board.powered = False
    board.windows.look()
    assert (board.windows.opened, board.windows.cuts) == (1, 1)


def test_setting_the_clock_ends_a_window_and_a_small_correction_does_not() -> None:
    board = Board(minutes=5)
    board.say(RUNNING)
    board.calendar_us += 3600 * 1_000_000
    board.windows.look()
    assert board.windows.opened == 2
    board.calendar_us -= 500_000
    board.windows.look()
    assert board.windows.opened == 2


def test_set_back_by_a_moment_over_a_boundary_no_window_ends_twice() -> None:
    board = Board(minutes=14.999)
    board.say(RUNNING)
    board.wait(0.002, rests=1)
    assert board.windows.opened == 2
    board.calendar_us -= 200_000
    board.windows.look()
    board.wait(1)
    assert board.windows.opened == 2


def test_waking_from_deep_sleep_ends_no_window() -> None:
    board = Board()
    board.board.sleep = object()
    board.say(RUNNING)
    for _ in range(30):
        board.wait(1)
        board.resets.append(4)
        board.wakes += 1
        board.windows.look()
    assert (board.windows.opened, board.windows.cuts) == (3, 0)
    board.resets.append(3)
    board.windows.look()
    assert board.windows.cuts == 1
