"""Second stage: events become aggregates in fixed memory; the single reading and the single passage are gone.

A passage is what a sensor takes for one, and is in one cell. A vehicle that stops in the radar's view and goes on is
two, and so is a rider whom a camera takes for a walker: no sensor knows what it, or another, saw before.

Everything is integers: sums are exact, whatever the order. Of the counts only the sum of count and noise leaves, and
only when it is at least k. The noise is drawn when the window opens, is in RAM only and gone after the release. It
comes from the node's generator, whose seed is from provisioning and gets hardware noise only while the radio is on.
"""

from array import array

from micropython import const

from envelope.errors import FaultDetected
from envelope.labels import (
    CHANNEL_ENERGY,
    FAULT_BUS_HUNG,
    FAULT_DRIVER,
    FAULT_NO_ANSWER,
    WITHHELD_BELOW_K,
    WITHHELD_BLIND,
    WITHHELD_BUDGET,
    WITHHELD_POLICY,
)
from node import noise, sample
from node.channel import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from envelope.drbg import Drbg
    from node.footfall import Footfall
    from node.policy import Policy

_PASSAGES_MAX = const(0x3FFFFFFF)
# A clock that is set by less than this is no jump (node/window.py): a window is that much shorter then
_SHORTER_S = const(2)
# Faults of a traffic sensor after which a count would be too low by an unknown number
_BLINDING = (FAULT_NO_ANSWER, FAULT_BUS_HUNG, FAULT_DRIVER)


class Aggregates:
    """What a window released: air {channel: row}, traffic [count or labels.WITHHELD_*], faults {code: count}.

    `footfall` is bits or labels.WITHHELD_* too, None where nobody listens.
    """

    def __init__(
        self,
        air: "dict[int, list[int]]",
        traffic: "list[int]",
        faults: "dict[int, int]",
        footfall: "int | None" = None,
    ) -> None:
        self.air = air
        self.traffic = traffic
        self.faults = faults
        self.footfall = footfall


class Minimiser:
    """The accumulators of the open window, under a policy (None: nothing is counted and nothing said).

    `sensors` is how many there are. `traffic` maps the index of each that counts passages to (its labels.SOURCE_*, 0
    for a radar, and the classes that are its alone): when one that the policy allows was blind for a part of the
    window, the cells are withheld instead of being too low; classes of one that it does not allow are never told.
    `radio` is the index of the sensor that hears devices, -1 for none; they go into `footfall` while the policy has it.
    """

    def __init__(
        self,
        policy: "Policy | None",
        sensors: int,
        traffic: "dict[int, tuple[int, tuple[str, ...]]]",
        radio: int = -1,
    ) -> None:
        self.faults = array("B", (0,) * (sensors * sample.FAULT_KINDS))
        self._traffic = traffic
        self._radio = radio
        self.footfall: Footfall | None = None
        self.use(policy)

    def use(self, policy: "Policy | None") -> None:
        """Count under this policy from now on. Between two windows: what was counted is forgotten."""
        self._policy = policy
        self.channels = {channel: self._channel(channel) for channel in (policy.channels if policy else ())}
        self._edges = array("H", policy.edges if policy else ())
        self._directions = len(policy.directions) if policy else 0
        self._row = self._directions * (len(self._edges) + 1)
        self._counts = array("I", (0,) * (self._row * len(policy.classes) if policy else 0))
        self._noise: array[int] | None = None
        self._withheld = WITHHELD_BUDGET
        self._eyes: list[int] = []
        self._untold: list[int] = []
        self._listen(policy.footfall if policy and self._radio >= 0 else None)
        if policy:
            self._eyes = [index for index in self._traffic if policy.allows(self._traffic[index][0])]
            for index in self._traffic:
                if index not in self._eyes:
                    theirs = self._traffic[index][1]
                    self._untold += [cls for cls, name in enumerate(policy.classes) if name in theirs]

    def _channel(self, channel: int) -> "Any":
        """Where the readings of a channel go. The code for energy is loaded where it is needed."""
        if channel != CHANNEL_ENERGY or self._policy is None:
            return Channel()
        from node.energy import Energy

        return Energy(self._policy.energy)

    def open(self, drbg: "Drbg") -> None:
        """Begin a window: its noise is drawn now, so that the time of drawing says nothing about what it hides."""
        self._withheld = WITHHELD_POLICY if self._traffic and not self._eyes else 0
        if not self._traffic:
            self._withheld = WITHHELD_BLIND
        if self._policy is not None:
            try:
                self._noise = noise.predraw(drbg, self._policy.epsilon, len(self._counts))
                if self.footfall is not None:
                    self.footfall.open(drbg)
            except FaultDetected:
                self._withheld = WITHHELD_BUDGET

    def _listen(self, footfall: "tuple[int, int] | None") -> None:
        """A sketch for (k, epsilon), none for None. Its code is loaded where it is needed."""
        if self.footfall is not None:
            self.footfall.close()
            self.footfall = None
        if footfall is not None:
            from node.footfall import Footfall

            self.footfall = Footfall(footfall[0], footfall[1])

    def add(self, event: "array[int]") -> None:
        """Take one event of node.sample into the window; what has no place in it is dropped."""
        what = event[0]
        if what == sample.READING:
            channel = self.channels.get(event[2])
            if channel is not None:
                channel.add(event[3])
        elif what == sample.PASSAGE:
            cell = self.cell(event[1], event[2], event[3])
            if self._counts[cell] < _PASSAGES_MAX:
                self._counts[cell] += 1
        elif what == sample.FAULT:
            self._add_fault(event[1], event[2])

    def cell(self, cls: int, direction: int, speed_kmh: int) -> int:
        """The one cell of a passage: class-major, then direction, then speed band (an edge opens the upper band)."""
        band = 0
        for edge in self._edges:
            if speed_kmh >= edge:
                band += 1
        return cls * self._row + direction * (len(self._edges) + 1) + band

    def cost(self, length_s: int) -> int:
        """What releasing the window costs, in millionths; 0 when nothing of it may be looked at. Asks no count.

        Who passes may be in a cell and in the sketch: both are paid for.
        """
        policy = self._policy
        if policy is None:
            return 0
        heard = self.footfall
        if CHANNEL_ENERGY in self.channels:
            self.channels[CHANNEL_ENERGY].close(length_s + _SHORTER_S)
        if length_s + _SHORTER_S < policy.least_s:
            self._withheld = WITHHELD_POLICY
            if heard is not None:
                heard.withheld = WITHHELD_POLICY
        return (0 if self._withheld else policy.epsilon) + (heard.cost() if heard is not None else 0)

    def release(self, granted: bool) -> Aggregates:
        """Hand the window's aggregates out, once. `granted`: what cost() said is spent; else no cell is told."""
        air = {}
        for channel in sorted(self.channels):
            if self.channels[channel].n:
                air[channel] = self.channels[channel].release()
        reason = self._withheld if self._withheld or granted else WITHHELD_BUDGET
        traffic = [reason or self._told(cell) for cell in range(len(self._counts))]
        faults = {code: count for code, count in enumerate(self.faults) if count}
        for i in range(len(self._counts)):
            self._counts[i] = 0
            if self._noise is not None:
                self._noise[i] = 0
        for i in range(len(self.faults)):
            self.faults[i] = 0
        self._noise = None
        self._withheld = WITHHELD_BUDGET
        return Aggregates(air, traffic, faults, self.footfall.release(granted) if self.footfall else None)

    def withheld(self) -> Aggregates:
        """Aggregates that say nothing, in the shape of a window's; the open window stays as it is."""
        return Aggregates({}, [WITHHELD_BLIND] * len(self._counts), {}, WITHHELD_BLIND if self.footfall else None)

    def _told(self, cell: int) -> int:
        """What the report says of a cell: the noised count, or why not."""
        if self._policy is None or self._noise is None or cell // self._row in self._untold:
            return WITHHELD_POLICY
        noised = self._counts[cell] + self._noise[cell]
        return noised if noised >= self._policy.k else WITHHELD_BELOW_K

    def _add_fault(self, sensor: int, kind: int) -> None:
        code = sensor * sample.FAULT_KINDS + kind
        # How many frames were bad may follow how many passed: of who sees people only whether there were any is told
        most = 1 if sensor in self._traffic or sensor == self._radio else sample.FAULT_COUNT_MAX
        if self.faults[code] < most:
            self.faults[code] += 1
        if kind in _BLINDING:
            if sensor in self._eyes:
                self._withheld = WITHHELD_BLIND
            elif sensor == self._radio and self.footfall is not None:
                self.footfall.withheld = WITHHELD_BLIND
