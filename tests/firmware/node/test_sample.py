"""Drivers fail alone: a fault count, a pause, a new start; the queue is bounded and says when it lost something."""

import asyncio
import errno

from firmware.city_pen import Pen, floor_map
from firmware.fakes import Clock

from envelope import labels
from node import sample
from node.errors import SensorFault
from node.policy import Policy
from node.sample import Output, Queue, Sampler

POLICY = Policy(Pen().policy_map(), floor_map())


def _drain(take):
    event = sample.empty_event()
    events = []
    while take(event):
        events.append(tuple(event))
    return events


def _output(queue, sensor, source=0):
    out = Output(queue, sensor, source, Clock())
    out.use(POLICY)
    return out


def test_the_queue_keeps_the_order_and_its_bound():
    queue = Queue(4)
    for round_ in range(5):
        accepted = [queue.put(1, round_, i, 0) for i in range(6)]
        assert accepted == [True] * 4 + [False] * 2
        assert _drain(queue.take) == [(1, round_, i, 0) for i in range(4)]


def test_readings_passages_and_faults_become_events():
    queue = Queue()
    out = _output(queue, 2)
    out.reading(3, 101325)
    out.passage("vehicle", "receding", 47)
    out.fault(labels.FAULT_BAD_FRAME)
    assert _drain(queue.take) == [
        (sample.READING, 2, 3, 101325),
        (sample.PASSAGE, 0, 1, 47),
        (sample.FAULT, 2, labels.FAULT_BAD_FRAME, 0),
    ]


def test_what_has_no_cell_is_dropped():
    queue = Queue()
    out = _output(queue, 0)
    out.passage("pedestrian", "approaching", 5)
    out.passage("vehicle", "sideways", 5)
    assert _drain(queue.take) == []


def test_an_overflow_becomes_a_fault():
    queue = Queue(3)
    out = _output(queue, 1)
    for _ in range(5):
        out.reading(1, 7)
    assert len(_drain(queue.take)) == 3
    out.reading(1, 8)
    assert _drain(queue.take) == [(sample.FAULT, 1, labels.FAULT_DRIVER, 0), (sample.READING, 1, 1, 8)]


def test_a_full_queue_is_emptied_before_anything_is_lost():
    queue = Queue(3)
    out = _output(queue, 1)
    taken = []
    queue.on_full = lambda: taken.extend(_drain(queue.take))
    for speed in range(100):
        out.passage("vehicle", "receding", speed)
    taken.extend(_drain(queue.take))
    assert taken == [(sample.PASSAGE, 0, 1, speed) for speed in range(100)]


def test_without_a_policy_no_passage_is_told():
    queue = Queue()
    out = _output(queue, 0)
    out.use(None)
    out.passage("vehicle", "receding", 47)
    out.reading(1, 5)
    assert _drain(queue.take) == [(sample.READING, 0, 1, 5)]


def test_a_source_that_the_policy_does_not_allow_tells_no_passage():
    queue = Queue()
    out = _output(queue, 0, labels.SOURCE_VISION)
    out.passage("vehicle", "receding", 0)
    assert _drain(queue.take) == []
    out.use(Policy(Pen().policy_map(sources=[labels.SOURCE_VISION]), floor_map()))
    out.passage("vehicle", "receding", 0)
    assert _drain(queue.take) == [(sample.PASSAGE, 0, 1, 0)]


def test_exceptions_become_fault_kinds():
    kinds = (
        (OSError(errno.ENODEV), labels.FAULT_NO_ANSWER),
        (OSError(errno.ETIMEDOUT), labels.FAULT_BUS_HUNG),
        (OSError(5), labels.FAULT_DRIVER),
        (OSError(), labels.FAULT_DRIVER),
        (SensorFault(labels.FAULT_IMPLAUSIBLE), labels.FAULT_IMPLAUSIBLE),
        (ValueError("x"), labels.FAULT_DRIVER),
        (MemoryError(), labels.FAULT_DRIVER),
    )
    for error, kind in kinds:
        assert sample.fault_kind(error) == kind


class Broken:
    """Raises at every start."""

    def __init__(self, clock):
        self.clock = clock
        self.starts = []

    async def run(self, _out):
        self.starts.append(self.clock.now_ms)
        raise OSError(errno.ENODEV)


class Steady:
    """Reads every second."""

    def __init__(self, clock):
        self.clock = clock

    async def run(self, out):
        while True:
            out.reading(1, 1)
            await self.clock.sleep_ms(1000)


def test_a_broken_driver_is_started_again_with_growing_pauses_and_disturbs_nobody():
    async def scene():
        clock = Clock()
        broken = Broken(clock)
        sampler = Sampler([broken, Steady(clock)], [0, 0], clock)
        sampler.start()
        events = []
        for _ in range(150):
            await clock.advance(1000, 250)
            events += _drain(sampler.take)
        sampler.stop()
        return broken.starts, events

    starts, events = asyncio.run(scene())
    pauses = [(starts[i + 1] - starts[i]) // 1000 for i in range(len(starts) - 1)]
    assert pauses[:5] == [1, 2, 4, 8, 16]
    assert set(pauses[5:]) == {30}
    assert events.count((sample.FAULT, 0, labels.FAULT_NO_ANSWER, 0)) == len(starts)
    assert len([event for event in events if event[0] == sample.READING]) >= 145


def test_a_driver_that_returns_counts_as_broken():
    class Short:
        async def run(self, out):
            pass

    async def scene():
        clock = Clock()
        sampler = Sampler([Short()], [0], clock)
        sampler.start()
        await clock.advance(500)
        sampler.stop()
        return _drain(sampler.take)

    assert asyncio.run(scene()) == [(sample.FAULT, 0, labels.FAULT_DRIVER, 0)]


class Hanging:
    """Waits for something that never comes; `stubborn` it does not even let itself be cancelled."""

    def __init__(self, clock, stubborn=False):
        self.clock = clock
        self.stubborn = stubborn
        self.starts = 0

    async def run(self, out):
        self.starts += 1
        out.reading(1, self.starts)
        while True:
            try:
                await self.clock.sleep_ms(1 << 28)
            except asyncio.CancelledError:
                if not self.stubborn:
                    raise


def _watched(drivers, clock, minutes, period_s=0):
    """How alive the sampler was, minute by minute, and what it said."""

    async def scene():
        sampler = Sampler(drivers, [0] * len(drivers), clock, [period_s] * len(drivers))
        sampler.start()
        alive = []
        for _ in range(minutes * 12):
            await clock.advance(5000, 1000)
            alive.append(sampler.alive())
        events = _drain(sampler.take)
        for driver in drivers:
            driver.stubborn = False  # so that the test can end
        sampler.stop()
        return alive, events

    return asyncio.run(scene())


def test_a_driver_that_hangs_is_a_fault_and_is_started_again():
    clock = Clock()
    driver = Hanging(clock)
    alive, events = _watched([driver], clock, 10)
    assert all(alive)
    assert driver.starts == 4
    assert [event[0] for event in events] == [sample.READING, sample.FAULT] * 3 + [sample.READING]
    assert events[1] == (sample.FAULT, 0, labels.FAULT_DRIVER, 0)


def test_a_driver_that_cannot_be_stopped_is_no_life_any_more():
    clock = Clock()
    alive, _ = _watched([Steady(clock), Hanging(clock, stubborn=True)], clock, 8)
    assert alive[:72] == [True] * 72
    assert not any(alive[76:])


def test_a_slow_sensor_has_its_period_to_say_something():
    clock = Clock()
    driver = Hanging(clock)
    _watched([driver], clock, 12, period_s=600)
    assert driver.starts == 1


def test_who_says_that_it_is_alive_may_have_nothing_to_say():
    clock = Clock()

    class Quiet:
        starts = 0

        async def run(self, out):
            self.starts += 1
            while True:
                out.alive()
                await clock.sleep_ms(1000)

    driver = Quiet()
    alive, events = _watched([driver], clock, 30)
    assert all(alive)
    assert (driver.starts, events) == (1, [])
