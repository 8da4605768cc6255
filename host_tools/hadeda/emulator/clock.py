"""A board's time, in microseconds since the scenario's start: the computer's own pace, or virtual.

In virtual time computing costs nothing and waiting costs what `speed` says: at speed 60 an hour of sleep takes a minute,
at infinite speed nothing. While the board talks to real sockets (`online`) time runs no faster than `online_speed`, so
that a broker on this machine can answer before the board's patience ends.
"""

import math
import time
from typing import Protocol


class Clock(Protocol):
    """What a board's event loop needs of time."""

    real_time: bool

    def now_us(self) -> int:
        """Microseconds since the scenario's start."""
        ...

    def spend(self, us: int) -> None:
        """The board was busy for so long."""
        ...

    def wait_s(self, until_us: int, online: bool) -> float:
        """Real seconds to wait until that moment may be reached."""
        ...

    def advance(self, until_us: int, waited_s: float, online: bool) -> None:
        """So many real seconds were waited; time moves on, not past `until_us`."""
        ...


class RealTime:
    """The computer's pace."""

    real_time = True

    def __init__(self) -> None:
        self._start_ns = time.monotonic_ns()

    def now_us(self) -> int:
        return (time.monotonic_ns() - self._start_ns) // 1000

    def spend(self, us: int) -> None:
        pass

    def wait_s(self, until_us: int, online: bool) -> float:  # noqa: ARG002
        return max(0.0, (until_us - self.now_us()) / 1e6)

    def advance(self, until_us: int, waited_s: float, online: bool) -> None:
        pass


class VirtualTime:
    """Moves only when the board sleeps or spends."""

    real_time = False

    def __init__(self, speed: float = math.inf, online_speed: float = 20.0) -> None:
        self._now_us = 0
        self._speed = speed
        self._online_speed = min(speed, online_speed)

    def now_us(self) -> int:
        return self._now_us

    def spend(self, us: int) -> None:
        self._now_us += us

    def wait_s(self, until_us: int, online: bool) -> float:
        return max(0.0, (until_us - self._now_us) / 1e6 / (self._online_speed if online else self._speed))

    def advance(self, until_us: int, waited_s: float, online: bool) -> None:
        speed = self._online_speed if online else self._speed
        step_us = until_us - self._now_us if math.isinf(speed) else math.ceil(waited_s * speed * 1e6)
        self._now_us += max(0, min(step_us, until_us - self._now_us))
