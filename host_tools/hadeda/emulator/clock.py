"""A board's time, in microseconds since the scenario's start: the computer's own pace, or virtual.

In virtual time computing costs nothing and waiting costs what the pace says: at pace 60 an hour of sleep takes a
minute, at infinite pace nothing. The board's loop slows down to `online_pace` while the node talks to real sockets, so
that a broker on this machine can answer before the node's patience ends, and to 1 while somebody may be typing.
"""

import math
import time
from typing import Protocol

LATE_S = 0.25


class Clock(Protocol):
    """What a board's event loop needs of time."""

    real_time: bool
    pace: float
    online_pace: float

    def now_us(self) -> int:
        """Microseconds since the scenario's start."""
        ...

    def spend(self, us: int) -> None:
        """The board was busy for so long."""
        ...

    def wait_s(self, until_us: int, pace: float) -> float:
        """Real seconds to wait until that moment may be reached."""
        ...

    def advance(self, until_us: int, pace: float) -> None:
        """A wait is over: time moves on to what the pace makes of it, not past `until_us`."""
        ...


class RealTime:
    """The computer's pace."""

    real_time = True
    pace = online_pace = 1.0

    def __init__(self) -> None:
        self._start_ns = time.monotonic_ns()

    def now_us(self) -> int:
        return (time.monotonic_ns() - self._start_ns) // 1000

    def spend(self, us: int) -> None:
        pass

    def wait_s(self, until_us: int, pace: float) -> float:  # noqa: ARG002
        return max(0.0, (until_us - self.now_us()) / 1e6)

    def advance(self, until_us: int, pace: float) -> None:
        pass


class VirtualTime:
    """Moves only when the board sleeps or spends.

    A finite pace is kept on average: what computing and a late wake-up took is made up for by shorter waits, as long as
    it is not more than LATE_S, after which the lost time is let go; and so is what was won at another pace.
    """

    real_time = False

    def __init__(self, pace: float = math.inf, online_pace: float = 20.0) -> None:
        self._now_us = 0
        self.pace = pace
        self.online_pace = min(pace, online_pace)
        self._anchor: tuple[float, int, float] | None = None  # real seconds, board microseconds, pace: kept since then

    def now_us(self) -> int:
        return self._now_us

    def spend(self, us: int) -> None:
        self._now_us += us

    def wait_s(self, until_us: int, pace: float) -> float:
        if math.isinf(pace):
            return 0.0
        now_s = time.monotonic()
        if self._anchor is None or self._anchor[2] != pace or abs(self._due_s(self._now_us) - now_s) > LATE_S:
            self._anchor = (now_s, self._now_us, pace)
        return max(0.0, self._due_s(until_us) - now_s)

    def advance(self, until_us: int, pace: float) -> None:
        due_us = until_us if math.isinf(pace) else math.ceil(self._board_us(time.monotonic()))
        self._now_us = max(self._now_us, min(until_us, due_us))

    def _due_s(self, board_us: int) -> float:
        """When that moment of board time is due."""
        since_s, from_us, pace = self._anchor or (0.0, 0, 1.0)
        return since_s + (board_us - from_us) / 1e6 / pace

    def _board_us(self, real_s: float) -> float:
        """The board time that is due at that moment."""
        since_s, from_us, pace = self._anchor or (0.0, 0, 1.0)
        return from_us + (real_s - since_s) * 1e6 * pace
