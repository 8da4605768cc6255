"""Sweeps seeds until the time is over, each with a small street of its own: how many boards, how long, all drawn."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from hadeda.board import Board
from hadeda.simulate.run import simulate
from hadeda.simulate.street import Wanted
from hadeda.simulate.summary import Summary, replay_command

BOARDS: Final = (1, 1, 1, 2, 3)
HOURS: Final = (2, 3, 4, 6)
HOUR_US: Final = 3_600_000_000
PROFILE: Final = "storm"


@dataclass
class Soak:
    """What a sweep came to; `failures` are violations, each list by the command that replays it."""

    seeds: int = 0
    board_days: float = 0.0
    cpu_s: float = 0.0
    windows: int = 0
    stored: int = 0
    gaps: int = 0
    open_at_power_cut: int = 0
    resets: int = 0
    failures: dict[str, list[str]] = field(default_factory=dict)

    def add(self, wanted: Wanted, summary: Summary) -> None:
        """One more street."""
        figures = summary.figures
        self.seeds += 1
        self.board_days += wanted.boards * figures["days"]
        self.cpu_s += figures["cpu_s"]
        self.windows += figures["windows_expected"]
        self.stored += figures["stored"]
        self.gaps += figures["gaps"]
        self.open_at_power_cut += figures["open_at_power_cut"]
        self.resets += figures["resets"]
        if summary.violations:
            self.failures[replay_command(wanted, "street")] = summary.violations


def streets(board: Board, first_seed: int) -> Iterator[Wanted]:
    """Small streets without end, one a seed; the same from the same first seed."""
    seed = first_seed
    while True:
        rng = random.Random(f"soak {seed}")
        yield Wanted(board, rng.choice(BOARDS), rng.choice(HOURS) * HOUR_US, seed, PROFILE)
        seed += 1


def soak(board: Board, first_seed: int, minutes: float, jobs: int, say: Callable[[str], None]) -> Soak:
    """Run streets until so many minutes have passed; the one that runs then is still run to its end."""
    until_s = time.monotonic() + 60 * minutes
    found = Soak()
    for wanted in streets(board, first_seed):
        summary = simulate(wanted, lambda _: None, lambda _: None, jobs)
        found.add(wanted, summary)
        for line in (*summary.trace, *summary.violations) if summary.violations else ():
            say(line)
        if time.monotonic() >= until_s:
            return found
    raise AssertionError("streets have no end")
