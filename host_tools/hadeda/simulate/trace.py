"""The event trace: what happened last, on every board and in the city, for whoever has to find out why."""

from collections import deque
from dataclasses import dataclass
from typing import Final

KEEP: Final = 2000


@dataclass(frozen=True)
class Event:
    """`board` is a number, or agenda.CITY."""

    at_us: int
    board: int
    text: str

    def __str__(self) -> str:
        who = "city" if self.board < 0 else f"board {self.board}"
        return f"{self.at_us / 1e6:14.6f} s  {who:>9}  {self.text}"


class Trace:
    """Keeps the newest events."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=KEEP)

    def note(self, at_us: int, board: int, text: str) -> None:
        """This happened."""
        self._events.append(Event(at_us, board, text))

    def before(self, at_us: int, count: int = 40) -> list[Event]:
        """The last events up to that moment, in order of time."""
        return sorted((event for event in self._events if event.at_us <= at_us), key=lambda e: e.at_us)[-count:]
