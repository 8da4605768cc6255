"""The drivers of plain inputs and the models of what hangs there, by a wire: every pulse, and no fault by crowds."""

import asyncio
import random
from typing import Any

import pytest
from firmware.fakes import Output, SelfRunningClock
from standing_world import NOW, StandingWorld, standing

from hadeda.emulator.chips.hc_sr501 import HcSr501
from hadeda.emulator.chips.pulses import Pulses
from hadeda.emulator.chips.td136 import Td136
from hadeda.scenario import Passage, World
from sensors import hc_sr501, td136

PARTS = [pytest.param(td136, Td136, [], id="loop"), pytest.param(hc_sr501, HcSr501, [1] * 3, id="motion detector")]


class Line:
    """A pin with a pull-up and a chip model; notes when the chip's pulses begin."""

    def __init__(self, chip: Pulses, clock: SelfRunningClock) -> None:
        self.chip = chip
        self.clock = clock
        self.begun: list[float] = []
        chip.on_event = lambda at, _: self.begun.append(at - NOW)

    def high(self) -> bool:
        level = self.chip.level(NOW + self.clock.now_ms / 1000)  # type: ignore[attr-defined]
        return level is None or level


def watch(part: Any, chip: Pulses, seconds: int, busy: Any = None) -> tuple[Output, list[float]]:
    """The driver on a chip for so long. `busy(second)`: how many ms nothing of the node runs, once in that second."""

    async def scene() -> tuple[Output, list[float]]:
        clock, out = SelfRunningClock(), Output()
        line = Line(chip, clock)
        line.high()
        task = asyncio.create_task(part.open({}, line, clock).run(out))
        second = 0
        while clock.now_ms < 1000 * seconds and not task.done():
            await asyncio.sleep(0)
            if busy is not None and clock.now_ms // 1000 > second:
                second = clock.now_ms // 1000
                clock.now_ms += busy(second)
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError), ended
        return out, line.begun

    return asyncio.run(scene())


def crowd(a_second: float, seconds: int, seed: int) -> StandingWorld:
    """So many of every kind, on foot and in cars, near and far, at moments of their own."""
    rng = random.Random(seed)
    kinds = ("pedestrian", "bike", "car", "heavy")
    moments = [NOW + rng.uniform(0, seconds) for _ in range(int(a_second * seconds))]
    return standing(*(Passage(at, rng.choice(kinds), "approaching", rng.uniform(4, 60)) for at in moments))


@pytest.mark.parametrize(("part", "model", "warming_up"), PARTS)
@pytest.mark.parametrize("a_second", [0.02, 0.2, 0.6, 2.0])
def test_who_comes_and_how_many_never_shows_as_a_fault(
    part: Any, model: type, warming_up: list[int], a_second: float
) -> None:
    """Faults are told without noise: if a crowd made one, it would tell of the crowd."""
    out, begun = watch(part, model(crowd(a_second, 600, 1), 1), 600)
    assert out.faults == warming_up
    assert 0 < len(out.passages) <= len(begun)


@pytest.mark.parametrize(("part", "model", "warm_s"), [(td136, Td136, 0), (hc_sr501, HcSr501, 60)])
def test_on_a_street_every_pulse_is_counted_once(part: Any, model: type, warm_s: int) -> None:
    out, begun = watch(part, model(World(seed=3), 2), 3600)
    whole = [at for at in begun if warm_s < at < 3590]
    assert len(whole) > 100
    assert abs(len(out.passages) - len(whole)) <= 1


def test_a_busy_node_misses_what_comes_meanwhile_and_calls_it_no_fault() -> None:
    """A second of every minute nothing is looked at."""
    out, begun = watch(td136, Td136(World(seed=3), 2), 3600, lambda second: 1000 * (second % 60 == 30))
    assert out.faults == []
    assert 0.95 * len(begun) < len(out.passages) <= len(begun)
