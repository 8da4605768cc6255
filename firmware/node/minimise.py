"""Second stage: events become aggregates in fixed memory; the single reading and the single passage are gone.

Everything is integers: sums are exact, whatever the order.
"""

from array import array

from micropython import const

from envelope.labels import FAULT_BUS_HUNG, FAULT_DRIVER, FAULT_NO_ANSWER
from node import sample

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_COUNT_MAX = const(65535)
_FAULT_COUNT_MAX = const(255)
FAULT_KINDS = 8

# Faults of a traffic sensor after which a count would be too low by an unknown number
_BLINDING = (FAULT_NO_ANSWER, FAULT_BUS_HUNG, FAULT_DRIVER)


class Channel:
    """n, sum, minimum and maximum of one air channel."""

    def __init__(self) -> None:
        self.n = 0
        self.total = 0
        self.low = 0
        self.high = 0

    def add(self, value: int) -> None:
        if self.n >= _COUNT_MAX:
            return
        if not self.n or value < self.low:
            self.low = value
        if not self.n or value > self.high:
            self.high = value
        self.n += 1
        self.total += value

    def release(self) -> "list[int]":
        """[n, mean (half rounds up), mean - minimum, maximum - mean]; starts anew."""
        mean = (2 * self.total + self.n) // (2 * self.n)
        row = [self.n, mean, mean - self.low, self.high - mean]
        self.n = 0
        self.total = 0
        return row


class Aggregates:
    """What a window released: air {channel: row}, traffic [count or None], faults {code: count}."""

    def __init__(self, air: "dict[int, list[int]]", traffic: "list[int | None]", faults: "dict[int, int]") -> None:
        self.air = air
        self.traffic = traffic
        self.faults = faults


class Minimiser:
    """The accumulators of the open window.

    `channels` are the channel ids the sensors may report, `traffic_sensors` the indices of the sensors that count
    passages: when one of them was blind for a part of the window, its cells are withheld instead of being too low.
    """

    def __init__(self, channels: "tuple[int, ...]", cells: "dict[str, Any]", sensors: int, traffic: "set[int]") -> None:
        self._channels = {channel: Channel() for channel in channels}
        self._edges = array("H", cells["speed_bands_kmh"])
        self._bands = len(self._edges) + 1
        self._directions = len(cells["directions"])
        count = len(cells["classes"]) * self._directions * self._bands
        self._cells = array("H", (0,) * count)
        self._faults = array("B", (0,) * (sensors * FAULT_KINDS))
        self._traffic_sensors = traffic
        self._blind = not traffic

    def add(self, event: "array[int]") -> None:
        """Take one event of node.sample into the window; what has no place in it is dropped."""
        what = event[0]
        if what == sample.READING:
            channel = self._channels.get(event[2])
            if channel is not None:
                channel.add(event[3])
        elif what == sample.PASSAGE:
            cell = self.cell(event[1], event[2], event[3])
            if self._cells[cell] < _COUNT_MAX:
                self._cells[cell] += 1
        elif what == sample.FAULT:
            self._add_fault(event[1], event[2])

    def cell(self, cls: int, direction: int, speed_kmh: int) -> int:
        """The one cell of a passage: class-major, then direction, then speed band (an edge opens the upper band)."""
        band = 0
        for edge in self._edges:
            if speed_kmh >= edge:
                band += 1
        return (cls * self._directions + direction) * self._bands + band

    def release(self) -> Aggregates:
        """Hand the window's aggregates out, once: afterwards the accumulators are empty."""
        air = {}
        for channel in sorted(self._channels):
            if self._channels[channel].n:
                air[channel] = self._channels[channel].release()
        traffic: list[int | None] = [None if self._blind else count for count in self._cells]
        faults = {code: count for code, count in enumerate(self._faults) if count}
        for i in range(len(self._cells)):
            self._cells[i] = 0
        for i in range(len(self._faults)):
            self._faults[i] = 0
        self._blind = not self._traffic_sensors
        return Aggregates(air, traffic, faults)

    def withheld(self) -> Aggregates:
        """Aggregates that say nothing, in the shape of a window's; the open window stays as it is."""
        return Aggregates({}, [None] * len(self._cells), {})

    def _add_fault(self, sensor: int, kind: int) -> None:
        code = sensor * FAULT_KINDS + kind
        if self._faults[code] < _FAULT_COUNT_MAX:
            self._faults[code] += 1
        if sensor in self._traffic_sensors and kind in _BLINDING:
            self._blind = True
