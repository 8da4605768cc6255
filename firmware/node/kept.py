"""The open window of a node that sleeps between samples: what is kept of it in RTC memory, which is RAM.

In deep sleep that memory has power, and in a reset; without power it is gone, and the window with it.
"""

from envelope import cbor
from envelope.errors import CborError
from node import sample
from node.channel import Channel
from node.window import BACK_MS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any


class Kept:
    """A window from `start_s` to `end_s` (Unix seconds) under a clock of that `quality` (labels.CLOCK_*).

    `rest` is how many windows end before the radio is switched on, this one included; `wake_s` is when the node looks
    whether the window is over: later than its end where the radio is due, each node by its own slot. `channels` are
    those that the policy in force allows. `beside` is what else of the node has to outlive the sleep (node/duty.py).
    """

    def __init__(self, start_s: int, end_s: int, quality: int, rest: int, wake_s: int) -> None:
        self.start_s = start_s
        self.quality = quality
        self.rest = rest
        self.wake_s = wake_s
        self._end_s = end_s
        self.channels: dict[int, Channel] = {}
        self.faults: dict[int, int] = {}
        self.beside: list[Any] = []

    def length_s(self) -> int:
        """How long the window is. Nobody sets the clock while a window is kept."""
        return self._end_s - self.start_s

    def end_s(self) -> int:
        return self._end_s

    def takes(self, now_s: int) -> bool:
        """Whether a sample belongs into it. A clock that is far back before its start has lost the time."""
        return self.start_s - BACK_MS // 1000 <= now_s < self._end_s

    def add(self, event: "array[int]") -> None:
        """Take one event of node.sample; what the policy does not allow is dropped."""
        if event[0] == sample.READING and event[2] in self.channels:
            self.channels[event[2]].add(event[3])
        elif event[0] == sample.FAULT:
            code = event[1] * sample.FAULT_KINDS + event[2]
            self.faults[code] = min(self.faults.get(code, 0) + 1, sample.FAULT_COUNT_MAX)

    def encode(self) -> bytes:
        """All of it, for ports.sleep."""
        channels = {number: [c.n, c.total, c.low, c.high] for number, c in self.channels.items()}
        window = [self.start_s, self._end_s, self.quality, self.rest, self.wake_s]
        return cbor.encode([window, channels, self.faults, self.beside])


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
    kept.faults, kept.beside = row[2:]
    return kept
