"""The node's camera driver and the camera's model, joined by a wire: what is counted is what passed, each once."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from firmware.fakes import Clock, Output
from standing_world import NOW

from hadeda.emulator.chips import faults
from hadeda.emulator.chips.grove_vision import Flaws, GroveVision
from hadeda.scenario import Passage, World
from sensors import grove_vision

STEP_MS = 50
# The classes of the node, in the words of the street; trucks and buses take turns in a confused detector
KINDS = {"person": "pedestrian", "bicycle": "bike", "car": "car", "truck": "heavy", "bus": "heavy"}
START_S = NOW - 1800


class Wire:
    """A UART between the driver and a chip model, as deep as the node's receive buffer."""

    def __init__(self, chip: Any, clock: Clock) -> None:
        self.chip = chip
        self.clock = clock
        self.received = b""
        self.longest = 0

    def now(self) -> float:
        return START_S + self.clock.now_ms / 1000

    def read_now(self, buffer: bytearray) -> int:
        self.received = (self.received + self.chip.transmit(self.now()))[:1024]
        self.longest = max(self.longest, len(self.received))
        part = self.received[: len(buffer)]
        buffer[: len(part)] = part
        self.received = self.received[len(part) :]
        return len(part)

    def write(self, data: bytes) -> None:
        self.chip.receive(data, self.now())


def watch(chip: Any, seconds: int, deaf: Any = None) -> tuple[Output, Wire]:
    """The driver on a chip for so long. `deaf(second)`: the node is busy signing, and nothing of it runs."""

    async def scene() -> tuple[Output, Wire]:
        clock, out = Clock(), Output()
        wire = Wire(chip, clock)
        chip.transmit(wire.now())
        task = asyncio.create_task(grove_vision.open({}, wire, clock).run(out))
        while clock.now_ms < 1000 * seconds:
            if deaf is not None and deaf(clock.now_ms // 1000):
                clock.now_ms += 1000
            await clock.advance(STEP_MS, STEP_MS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return out, wire

    return asyncio.run(scene())


def counted(out: Output) -> Counter[tuple[str, str]]:
    assert all(speed == 0 for _, _, speed in out.passages)
    return Counter((KINDS[name], direction) for name, direction, _ in out.passages)


def passed(world: World, seconds: int) -> Counter[tuple[str, str]]:
    passages = world.passages(START_S + 4, START_S + seconds - 1)
    return Counter((passage.kind, passage.direction) for passage in passages)


@pytest.mark.parametrize("seed", [1, 2])
def test_half_an_hour_of_the_street_is_counted_within_five_percent(seed: int) -> None:
    world = World(seed=seed)
    out, wire = watch(GroveVision(world, seed), 1800)
    truth, seen = passed(world, 1800), counted(out)
    assert sum(truth.values()) > 200
    assert sum((truth - seen).values()) + sum((seen - truth).values()) <= 0.05 * sum(truth.values()), (truth, seen)
    assert out.faults == []
    assert wire.longest < 1024


def test_signing_once_a_minute_costs_a_few_and_doubles_none() -> None:
    world = World(seed=3)
    out, wire = watch(GroveVision(world, 3), 1800, lambda second: second % 60 == 30)
    truth, seen = passed(world, 1800), counted(out)
    assert sum((truth - seen).values()) <= 0.08 * sum(truth.values()), (truth, seen)
    assert sum((seen - truth).values()) <= 0.02 * sum(truth.values()), (truth, seen)
    assert out.faults == []
    assert wire.longest < 1024


def test_a_module_that_tears_and_repeats_its_lines_is_counted_nearly_as_well() -> None:
    world = World(seed=4)
    out, _ = watch(GroveVision(world, 4, flaws=Flaws(missed=0.15, truncated=0.01, repeated=0.05)), 900)
    truth, seen = passed(world, 900), counted(out)
    assert sum((truth - seen).values()) <= 0.15 * sum(truth.values()), (truth, seen)
    assert sum((seen - truth).values()) <= 0.03 * sum(truth.values()), (truth, seen)
    assert set(out.faults) == {3}


def test_pictures_are_refused_by_the_driver_and_count_nothing() -> None:
    world = World(seed=5)
    chip = GroveVision(world, 5, flaws=Flaws(disobedient=True))
    out, _ = watch(chip, 120)
    assert out.passages == []
    assert set(out.faults) == {1, 3}
    assert 0 < chip.pictures_sent < 60


def test_newer_firmware_is_asked_its_way() -> None:
    world = World(seed=6)
    chip = GroveVision(world, 6, invoke_arguments=2)
    out, _ = watch(chip, 600)
    assert sum(counted(out).values()) == pytest.approx(sum(passed(world, 600).values()), rel=0.1)
    assert out.faults == []
    assert chip.pictures_sent == 0


@pytest.mark.parametrize("fault", [faults.Silent, faults.Garbling, faults.Dropping, faults.Garbage])
def test_a_bad_wire_is_faults_and_invents_nobody_and_afterwards_all_is_counted(fault: Any) -> None:
    settings = {"probability": 0.02} if fault is faults.Garbling else {}
    world = World(seed=7)
    out, _ = watch(fault(GroveVision(world, 7), START_S + 20, START_S + 80, seed=7, **settings), 400)
    truth = passed(world, 400)
    assert out.faults
    assert set(out.faults) <= ({1} if fault is faults.Silent else {1, 3})
    assert sum((counted(out) - truth).values()) <= 1
    # Ten seconds to try again, and who was in the picture then
    unseen = sum(START_S + 15 < p.time_s < START_S + 100 for p in world.passages(START_S, START_S + 400))
    assert sum((truth - counted(out)).values()) <= unseen + 2


def test_one_walker_one_passage_at_any_pace() -> None:
    class Lonely:
        def __init__(self, passage: Passage) -> None:
            self.passage = passage

        def air(self, t: float) -> Any:
            raise NotImplementedError(t)

        def passages(self, t0: float, t1: float) -> list[Passage]:
            return [self.passage] if t0 <= self.passage.time_s < t1 else []

    for kind, speeds in (("pedestrian", (2, 5, 9)), ("bike", (8, 18, 35)), ("car", (10, 50, 90)), ("heavy", (30, 80))):
        for direction in ("approaching", "receding"):
            for speed in speeds:
                passage = Passage(START_S + 40, kind, direction, float(speed))
                out, _ = watch(GroveVision(Lonely(passage), 1, flaws=Flaws(ghost=0)), 75)
                assert counted(out) == {(kind, direction): 1}, (passage, out.passages)
