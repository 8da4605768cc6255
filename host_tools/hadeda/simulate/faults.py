"""What goes wrong: one object is asked before everything that could, for every board, and says how it goes.

Here nothing does: `Faults` is fair weather, and the seam that others override (profiles.py). A profile draws all it
needs from its seed and from what it is asked, never from a clock or from order of memory, so that a run can be
replayed. Between
`next_us` and `moment` it changes whatever it likes about the street: power, radio, broker, collector, sensors.
"""

import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hadeda.simulate.street import Street

LATENCY_US: Final = (8_000, 40_000)  # one way, Wi-Fi and a city's line: least and most


class Faults:
    """Fair weather on `boards` boards for `length_us`; `end_us` is when the last fault is over."""

    end_us = 0

    def __init__(self, seed: int, boards: int, length_us: int) -> None:
        self.seed = seed
        self.boards = boards
        self.length_us = length_us
        self._latency = [random.Random(f"latency {seed} {board}") for board in range(boards)]

    def latency_us(self, board: int) -> int:
        """How long a packet takes, one way."""
        return self._latency[board].randint(*LATENCY_US)

    def segment(self, board: int, at_us: int, up: bool) -> int | None:  # noqa: ARG002
        """How long a TCP segment takes, in microseconds; None: it is lost, and sent again after a while."""
        return self.latency_us(board)

    def datagram(self, board: int, at_us: int, up: bool) -> list[int]:  # noqa: ARG002
        """How long each copy of a datagram takes: [] is lost, two are a duplicate."""
        return [self.latency_us(board)]

    def resolves(self, board: int, at_us: int, host: str) -> bool:  # noqa: ARG002
        """Whether the name server knows the host."""
        return True

    def severs(self, board: int, at_us: int) -> bool:  # noqa: ARG002
        """Whether somebody on the way resets a board's connection over what it sends now."""
        return False

    def before_flash(self, board: int, at_us: int, address: int, data: bytes | None) -> None:
        """Before a program (data) or an erase (None) of a board's flash; raises flash.PowerCut to cut its power."""

    def next_us(self) -> int | None:
        """When `moment` is to be called next; None: never."""
        return None

    def moment(self, street: "Street") -> None:
        """That moment has come."""
