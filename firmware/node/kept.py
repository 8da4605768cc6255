"""The open window of a node that sleeps between samples: what is kept of it in RTC memory, which is RAM.

In deep sleep that memory has power, and in a reset; without power it is gone, and the window with it.
"""

from micropython import const

from envelope import cbor
from envelope.errors import CborError
from node import sample
from node.channel import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

_FAULT_KINDS = const(8)  # as node.minimise codes them
_FAULT_COUNT_MAX = const(255)


class Kept:
    """A window from `start_s` to `end_s` (Unix seconds) under a clock of that `quality` (labels.CLOCK_*).

    `rest` is how many windows end before the radio is switched on, this one included; `wake_s` is when the node looks
    whether the window is over: later than its end where the radio is due, each node by its own slot. `channels` are
    those that the policy in force allows. `owed` and `sent` are what node.report.Owed and node.route.Route remember.
    """

    def __init__(self, start_s: int, end_s: int, quality: int, rest: int, wake_s: int) -> None:
        self.start_s = start_s
        self.quality = quality
        self.rest = rest
        self.wake_s = wake_s
        self._end_s = end_s
        self.channels: dict[int, Channel] = {}
        self.faults: dict[int, int] = {}
        self.owed: list[Any] = [None, None]
        self.sent: list[Any] = []
        self.kept_s = 0  # when that was

    def length_s(self) -> int:
        """How long the window is. Nobody sets the clock while a window is kept."""
        return self._end_s - self.start_s

    def end_s(self) -> int:
        return self._end_s

    def takes(self, now_s: int) -> bool:
        """Whether a sample belongs into it. A clock that is back before its start has lost the time."""
        return self.start_s <= now_s < self._end_s

    def add(self, event: "array[int]") -> None:
        """Take one event of node.sample; what the policy does not allow is dropped."""
        if event[0] == sample.READING and event[2] in self.channels:
            self.channels[event[2]].add(event[3])
        elif event[0] == sample.FAULT:
            code = event[1] * _FAULT_KINDS + event[2]
            self.faults[code] = min(self.faults.get(code, 0) + 1, _FAULT_COUNT_MAX)

    def encode(self) -> bytes:
        """All of it, for ports.sleep."""
        channels = {number: [c.n, c.total, c.low, c.high] for number, c in self.channels.items()}
        window = [self.start_s, self._end_s, self.quality, self.rest, self.wake_s]
        return cbor.encode([window, channels, self.faults, self.owed, self.sent, self.kept_s])


def decode(data: bytes) -> "Kept | None":
    """What encode() made of it; None for nothing."""
    if not data:
        return None
    try:
        row: Any = cbor.decode(data)
    except CborError:
        return None
    kept = Kept(*row[0])
    for number in row[1]:
        channel = kept.channels[number] = Channel()
        channel.n, channel.total, channel.low, channel.high = row[1][number]
    kept.faults, kept.owed, kept.sent, kept.kept_s = row[2:]
    return kept
