"""What is going to happen off the boards, in one order that depends on nothing but the simulation itself."""

import heapq
from collections import Counter
from collections.abc import Callable

CITY = -1  # who causes what no board does


class Agenda:
    """Events by time; at the same microsecond by who causes them (CITY, then the boards by number), then by turn."""

    def __init__(self) -> None:
        self.now_us = 0
        self._events: list[tuple[int, int, int, Callable[[], None]]] = []
        self._turns: Counter[int] = Counter()

    @property
    def next_us(self) -> int | None:
        """When the next event is due."""
        return self._events[0][0] if self._events else None

    def at(self, at_us: int, who: int, call: Callable[[], None]) -> None:
        """Let `call` happen then, or now where that moment is past."""
        self._turns[who] += 1
        heapq.heappush(self._events, (max(at_us, self.now_us), who, self._turns[who], call))

    def advance(self, at_us: int) -> None:
        """It is that late now: no event is due before."""
        self.now_us = max(self.now_us, at_us)

    def happen(self) -> None:
        """The next event."""
        self.now_us, _who, _turn, call = heapq.heappop(self._events)
        call()
