"""Nothing beside the noised counts speaks of the street: not when a node calls, not its faults, not its heap."""

import asyncio

from firmware.city_pen import Pen, floor_map
from firmware.node.test_send import Broker, _stage

from envelope import labels
from envelope.drbg import Drbg
from node import sample
from node.health import Health
from node.minimise import Minimiser
from node.policy import Policy
from node.sample import FAULT_KINDS

PEN = Pen()
AIR, RADAR, CAMERA, RADIO = range(4)


def _calls(draw_ms):
    """When the node calls after a window, where drawing the next one's noise takes so long."""

    async def scene():
        sender, clock, radio, _ = _stage(Broker())
        up = radio.up
        called = []

        async def noting(*network):
            called.append(clock.now_ms)
            await up(*network)

        radio.up = noting
        sender.start()
        await asyncio.sleep(0)
        closed = clock.now_ms
        sender.due()
        clock.now_ms += draw_ms  # nobody else gets a turn meanwhile
        await clock.advance(70000)
        sender.stop()
        return [at - closed for at in called], sender.slot_ms

    return asyncio.run(scene())


def test_when_a_node_calls_does_not_depend_on_how_long_its_noise_took_to_draw():
    (at_once,), slot_ms = _calls(0)
    assert slot_ms <= at_once <= slot_ms + 20
    for draw_ms in (10, 370, 1990):
        (at,), _ = _calls(draw_ms)
        assert at == at_once, draw_ms


def test_faults_of_what_counts_people_tell_whether_and_not_how_often():
    policy = Policy(PEN.policy_map(sources=[1, 2], footfall={1: 5, 2: 1}), floor_map())
    minimiser = Minimiser(policy, 4, {RADAR: (0, ()), CAMERA: (labels.SOURCE_VISION, ("person",))}, RADIO)
    minimiser.open(Drbg(b"s" * 32))
    event = sample.empty_event()
    event[0], event[2] = sample.FAULT, labels.FAULT_BAD_FRAME
    for sensor in range(4):
        event[1] = sensor
        for _ in range(3 + 50 * sensor):
            minimiser.add(event)
    faults = minimiser.release(True).faults
    told = {sensor: faults[sensor * FAULT_KINDS + labels.FAULT_BAD_FRAME] for sensor in range(4)}
    assert told == {AIR: 3, RADAR: 1, CAMERA: 1, RADIO: 1}


class Power:
    """ports.power, as far as health asks it."""

    used = 0

    def heap_used(self):
        return self.used


class Boots:
    """node.boots, likewise."""

    count = cause = 1
    safe = 0


def test_the_heap_is_told_in_steps_larger_than_a_busy_street_takes():
    power = Power()
    health = Health(power, 1, Boots())
    told = []
    for power.used in (1, 60000, 61440, 61441, 100, 65536):
        health.observe()
        told.append(health.row()[1])
    assert told == [4, 60, 60, 64, 64, 64], "KB"
