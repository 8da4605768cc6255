"""Footfall from the radio to the report: off unless policy, floor and board want it; paid for; told with a reason."""

import asyncio
import sys

from firmware import bluetooth_fake
from firmware.city_pen import Pen, floor_map
from firmware.fakes import Clock, Random

from envelope import cbor, labels
from envelope.drbg import Drbg
from envelope.labels import WITHHELD_BELOW_K, WITHHELD_BLIND, WITHHELD_BUDGET, WITHHELD_POLICY
from node import report, sample
from node.minimise import Minimiser
from node.policy import Policy

PEN = Pen()
RADIO = 1
EPSILON = 500000
FOOTFALL = 20000000  # hardly any noise
K = 4
WINDOW_S = 900
HEARD = {"footfall": {1: K, 2: FOOTFALL}, "sources": [labels.SOURCE_FOOTFALL]}
OPEN = {"window": 300, "sources": []}


def _policy(floor=OPEN, **changes):
    return Policy(PEN.policy_map(**changes), floor_map(**floor))


def _parts(policy, radio=RADIO):
    """(minimiser, what the radio's driver is given), as the pipeline puts them together."""
    minimiser = Minimiser(policy, 2, {0: (0, ())}, radio)
    out = sample.Output(sample.Queue(), RADIO, 0, Clock())
    out.use(policy, minimiser.footfall)
    minimiser.open(Drbg(b"s" * 32))
    return minimiser, out


def _hear(out, devices):
    for number in range(devices):
        out.device(1, (number * 2654435761).to_bytes(6, "big"))


def _fault(minimiser, sensor, kind):
    event = sample.empty_event()
    for i, value in enumerate((sample.FAULT, sensor, kind, 0)):
        event[i] = value
    minimiser.add(event)


def test_off_unless_policy_floor_and_board_want_it():
    wanted = _policy(**HEARD)
    for policy, radio in ((None, RADIO), (_policy(), RADIO), (wanted, -1)):
        minimiser, out = _parts(policy, radio)
        assert minimiser.footfall is None
        assert out.footfall is None
        _hear(out, 50)
        assert minimiser.cost(WINDOW_S) == (EPSILON if policy else 0)
        assert minimiser.release(True).footfall is None
        assert minimiser.withheld().footfall is None
    minimiser, out = _parts(wanted)
    assert out.footfall is minimiser.footfall is not None


def test_a_policy_in_the_store_whose_sources_lack_it_does_not_listen():
    assert _policy(footfall={1: K, 2: FOOTFALL}).footfall is None


def test_what_is_heard_is_told_and_paid_for_beside_the_passages():
    minimiser, out = _parts(_policy(**HEARD))
    _hear(out, 30)
    assert minimiser.cost(WINDOW_S) == EPSILON + FOOTFALL
    told = minimiser.release(True).footfall
    assert 27 <= told <= 30
    minimiser.open(Drbg(b"t" * 32))
    assert minimiser.cost(WINDOW_S) == EPSILON + FOOTFALL
    assert minimiser.release(True).footfall == WITHHELD_BELOW_K


def test_a_radio_that_failed_is_blind_and_costs_nothing():
    for kind in (labels.FAULT_NO_ANSWER, labels.FAULT_DRIVER):
        minimiser, out = _parts(_policy(**HEARD))
        _hear(out, 30)
        _fault(minimiser, RADIO, kind)
        assert minimiser.cost(WINDOW_S) == EPSILON
        aggregates = minimiser.release(True)
        assert aggregates.footfall == WITHHELD_BLIND
        assert WITHHELD_BLIND not in aggregates.traffic
        assert aggregates.faults == {RADIO * 8 + kind: 1}


def test_a_radar_that_failed_keeps_nobody_from_hearing():
    minimiser, out = _parts(_policy(**HEARD))
    _hear(out, 30)
    _fault(minimiser, 0, labels.FAULT_NO_ANSWER)
    assert minimiser.cost(WINDOW_S) == FOOTFALL
    aggregates = minimiser.release(True)
    assert aggregates.footfall > K
    assert set(aggregates.traffic) == {WITHHELD_BLIND}


def test_without_budget_and_in_a_window_cut_short_it_is_withheld():
    minimiser, out = _parts(_policy(**HEARD))
    _hear(out, 30)
    assert minimiser.release(False).footfall == WITHHELD_BUDGET
    minimiser.open(Drbg(b"t" * 32))
    _hear(out, 30)
    assert minimiser.cost(200) == 0
    assert minimiser.release(False).footfall == WITHHELD_POLICY


def test_an_extra_report_says_nothing_and_leaves_the_sketch_alone():
    minimiser, out = _parts(_policy(**HEARD))
    _hear(out, 30)
    assert minimiser.withheld().footfall == WITHHELD_BLIND
    assert minimiser.cost(WINDOW_S)
    assert minimiser.release(True).footfall > K


def test_another_policy_forgets_what_was_heard():
    minimiser, out = _parts(_policy(**HEARD))
    _hear(out, 30)
    before = minimiser.footfall
    minimiser.use(_policy())
    assert minimiser.footfall is None
    assert before.release(True) == WITHHELD_BUDGET
    assert not any(before._inner)
    assert not any(before._sketch)


def test_it_is_field_eleven():
    for footfall in (None, 270, WITHHELD_BELOW_K):
        minimiser, _ = _parts(_policy(**HEARD))
        aggregates = minimiser.withheld()
        aggregates.footfall = footfall
        written = cbor.decode(report.encode(0, 900, 2, aggregates, [1, 0, 0, 1], [1, 2, 0, 4], [1, 0]))
        assert written.get(labels.REPORT_FOOTFALL) == footfall
        assert (labels.REPORT_FOOTFALL in written) == (footfall is not None)


async def _with_radio(test):
    from sensors import while_allowed

    air, clock = bluetooth_fake.install(), Clock()
    for name in ("sensors.ble_footfall", "ports.ble"):
        sys.modules.pop(name, None)
    out = sample.Output(sample.Queue(), RADIO, 0, Clock())
    running = asyncio.create_task(while_allowed.open({"part": "ble_footfall"}, None, clock).run(out))
    await clock.advance(20)
    try:
        await test(air, clock, out)
    finally:
        running.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert not air.active


def _loaded():
    return [name for name in ("sensors.ble_footfall", "ports.ble") if name in sys.modules]


def test_the_radio_is_off_and_its_code_not_there_until_it_is_wanted():
    async def test(air, clock, out):
        await clock.advance(20000, 500)
        assert not _loaded()
        assert not air.calls
        minimiser, _ = _parts(_policy(**HEARD))
        out.use(_policy(**HEARD), minimiser.footfall)
        await clock.advance(6000, 100)
        assert air.scanning
        assert len(_loaded()) == 2
        for number in range(30):
            air.say(1, (number * 2654435761).to_bytes(6, "big"))
        await clock.advance(300, 50)
        out.use(_policy())
        await clock.advance(300, 50)
        assert not air.active
        assert not _loaded()
        assert minimiser.release(True).footfall > 25

    asyncio.run(_with_radio(test))


def test_a_radio_that_does_not_start_is_a_fault_of_its_sensor():
    async def test():
        from sensors import while_allowed

        air, clock = bluetooth_fake.install(), Clock()
        air.errors = {"switch on": OSError(12)}
        sampler = sample.Sampler([while_allowed.open({"part": "ble_footfall"}, None, clock)], [0], clock)
        minimiser, _ = _parts(_policy(**HEARD), radio=0)
        sampler.use(_policy(**HEARD), minimiser.footfall)
        sampler.start()
        await clock.advance(100)
        event = sample.empty_event()
        assert sampler.take(event)
        assert list(event) == [sample.FAULT, 0, labels.FAULT_DRIVER, 0]
        sampler.stop()

    asyncio.run(test())


def test_the_salt_is_of_the_nodes_generator():
    minimiser = Minimiser(_policy(**HEARD), 2, {}, RADIO)
    source = Random(7)
    minimiser.open(source)
    first = bytes(minimiser.footfall._inner)
    minimiser.release(True)
    minimiser.open(source)
    assert bytes(minimiser.footfall._inner) != first
    again = Minimiser(_policy(**HEARD), 2, {}, RADIO)
    again.open(Random(7))
    assert bytes(again.footfall._inner) == first
