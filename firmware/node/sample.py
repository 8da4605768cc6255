"""First stage: one supervised task per sensor, and the bounded queue their readings wait in.

A driver that fails becomes a fault count and is started again after a pause that doubles up to half a minute;
the others never notice.
"""

import asyncio
import errno
from array import array

from micropython import const

from envelope.labels import FAULT_BUS_HUNG, FAULT_DRIVER, FAULT_NO_ANSWER
from node.errors import SensorFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from node.footfall import Footfall
    from node.policy import Policy
    from ports.clock import Clock

# What an event is: four integers
READING = 1  # sensor, channel, scaled value
PASSAGE = 2  # class index, direction index, speed in km/h
FAULT = 3  # sensor, kind, 0
EVENT_SIZE = 4
# Faults are counted by sensor * FAULT_KINDS + kind, up to so many
FAULT_KINDS = 8
FAULT_COUNT_MAX = 255

_CAPACITY = const(64)
_PAUSE_FIRST_MS = const(1000)
_PAUSE_LONGEST_MS = const(30000)
_HEALTHY_MS = const(60000)
# What a driver takes for a reading, beyond its period: warming up and every bounded retry of the slowest part
_QUIET_MS = const(180000)


def empty_event() -> "array[int]":
    """The place that Queue.take fills."""
    return array("i", (0,) * EVENT_SIZE)


class Queue:
    """A ring of events in memory taken once. `on_full` is called to make room: no passage may push another one out."""

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._ring = array("i", (0,) * (capacity * EVENT_SIZE))
        self._capacity = capacity
        self._first = 0
        self._count = 0
        self.on_full: Callable[[], None] | None = None

    def put(self, what: int, a: int, b: int, c: int) -> bool:
        """False when the queue is full and the event is lost."""
        if self._count == self._capacity and self.on_full is not None:
            self.on_full()
        if self._count == self._capacity:
            return False
        at = (self._first + self._count) % self._capacity * EVENT_SIZE
        ring = self._ring
        ring[at] = what
        ring[at + 1] = a
        ring[at + 2] = b
        ring[at + 3] = c
        self._count += 1
        return True

    def take(self, event: "array[int]") -> bool:
        """Move the oldest event into `event`; False when there is none."""
        if not self._count:
            return False
        at = self._first * EVENT_SIZE
        for i in range(EVENT_SIZE):
            event[i] = self._ring[at + i]
        self._first = (self._first + 1) % self._capacity
        self._count -= 1
        return True


class Output:
    """What a driver is given: the only way a sensor can say something. `source` is labels.SOURCE_*, 0 for others.

    A driver that has nothing to say for a while says alive().
    """

    def __init__(self, queue: Queue, sensor: int, source: int, clock: "Clock", quiet_ms: int = _QUIET_MS) -> None:
        self._queue = queue
        self._sensor = sensor
        self._source = source
        self._lost = False
        self._clock = clock
        self._quiet_ms = quiet_ms
        self.alive()
        self.use(None)

    def use(self, policy: "Policy | None", footfall: "Footfall | None" = None) -> None:
        """Passages are told as this policy's classes and directions from now on; none where it does not allow that.

        `footfall` takes the devices that are heard, None where nobody may listen.
        """
        self.footfall = footfall
        self._classes: tuple[str, ...] = ()
        self._directions: tuple[str, ...] = ()
        if policy is not None and policy.allows(self._source):
            self._classes = policy.classes
            self._directions = policy.directions

    def alive(self) -> None:
        """A sign of life, due once in the sensor's period and three minutes more."""
        self._heard_ms = self._clock.ticks_ms()

    def silent(self) -> bool:
        """True when nothing was said for too long."""
        return self._clock.ticks_diff(self._clock.ticks_ms(), self._heard_ms) > self._quiet_ms

    def reading(self, channel: int, scaled: int) -> None:
        """One value of an air channel, in the integer scale of labels.CHANNELS."""
        self._put(READING, self._sensor, channel, scaled)

    def passage(self, cls: str, direction: str, speed_kmh: int) -> None:
        """One vehicle or person that went by. What the policy has no cell for is dropped here."""
        if cls in self._classes and direction in self._directions:
            self._put(PASSAGE, self._classes.index(cls), self._directions.index(direction), speed_kmh)

    def device(self, address_type: int, address: "bytes | memoryview") -> None:
        """A device that the radio heard: into the window's sketch, and nowhere else."""
        if self.footfall is not None:
            self.footfall.add(address_type, address)

    def fault(self, kind: int) -> None:
        """Something went wrong: labels.FAULT_*."""
        self._put(FAULT, self._sensor, kind, 0)

    def _put(self, what: int, a: int, b: int, c: int) -> None:
        self.alive()
        if self._lost and self._queue.put(FAULT, self._sensor, FAULT_DRIVER, 0):
            self._lost = False
        if not self._queue.put(what, a, b, c):
            self._lost = True


def fault_kind(error: Exception) -> int:
    """The fault that an exception of a driver stands for."""
    if isinstance(error, SensorFault):
        return error.kind
    if isinstance(error, OSError):
        code = error.args[0] if error.args else None
        if code == errno.ENODEV:
            return FAULT_NO_ANSWER
        if code == errno.ETIMEDOUT:
            return FAULT_BUS_HUNG
    return FAULT_DRIVER


class Sampler:
    """Runs the drivers: objects with `async def run(self, out)`, in the order of the configuration.

    `sources` and `periods_s` have one entry for each: labels.SOURCE_* (0 for what every policy allows), and how often
    it is asked.
    """

    def __init__(
        self, drivers: "list[Any]", sources: "list[int]", clock: "Clock", periods_s: "list[int] | None" = None
    ) -> None:
        self._drivers = drivers
        self._clock = clock
        self.queue = Queue()
        periods_s = periods_s or [0] * len(sources)
        self._outputs = [
            Output(self.queue, index, source, clock, periods_s[index] * 1000 + _QUIET_MS)
            for index, source in enumerate(sources)
        ]
        self._stuck = [False] * len(sources)
        self._tasks: list[Any] = []
        self.take = self.queue.take

    def use(self, policy: "Policy | None", footfall: "Footfall | None" = None) -> None:
        """What is said from now on is said under this policy; nothing may wait in the queue."""
        for output in self._outputs:
            output.use(policy, footfall)

    def start(self) -> None:
        """One task per sensor, until stop()."""
        for index, driver in enumerate(self._drivers):
            self._tasks.append(asyncio.create_task(self._supervise(index, driver)))

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    def alive(self) -> bool:
        """Start drivers anew that were silent for too long; False while one cannot be cancelled."""
        for index, out in enumerate(self._outputs):
            if out.silent() and self._tasks:
                if self._stuck[index]:
                    return False
                self._stuck[index] = True
                out.alive()
                self._tasks[index].cancel()
        return True

    async def _supervise(self, index: int, driver: "Any") -> None:
        out = self._outputs[index]
        pause_ms = _PAUSE_FIRST_MS
        while True:
            started = self._clock.ticks_ms()
            out.alive()
            try:
                await driver.run(out)
                out.fault(FAULT_DRIVER)  # a driver has no reason to return
            except asyncio.CancelledError:
                if not self._stuck[index]:
                    raise
                out.fault(FAULT_DRIVER)
            except Exception as error:  # whatever a driver raises stays with its sensor
                out.fault(fault_kind(error))
            self._stuck[index] = False
            if self._clock.ticks_diff(self._clock.ticks_ms(), started) > _HEALTHY_MS:
                pause_ms = _PAUSE_FIRST_MS
            await self._clock.sleep_ms(pause_ms)
            pause_ms = min(2 * pause_ms, _PAUSE_LONGEST_MS)
