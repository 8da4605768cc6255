"""HC-SR501 (passive infrared motion detector with a BISS0001), at the level of its output, 3.3 V or ground.

Source: the module's data sheet as several sellers and school kits carry it: supply 4.5 to 20 V, output 3.3 V, delay by
a trimmer, 2.5 s without detection after each output, about a minute after the supply comes in which it may go high up
to three times, 3 to 7 m, 100 to 120 degrees. They do not agree on the shortest delay (0.3, 0.5, 3 or 5 s).

Modelled with its jumper at L (no retriggering) and its trimmer at the first stop, for which 3 s are chosen. Not found,
so chosen: everybody within 7 m is detected, once, at the moment he is abreast, car, cyclist and walker alike; the
module looks across the street from its near edge, so that the far pavement is out of reach. Its output does not
bounce. Nothing is modelled of sun, wind and rain, by which real ones fire, nor of hot days, on which they are blind.
"""

import random

from hadeda.emulator.chips.base import Surroundings
from hadeda.emulator.chips.pulses import Pulses
from hadeda.scenario import Passage

PULSE_S = 3.0
BLIND_S = 2.5
WARM_UP_S = 60.0
_MOST_SPURIOUS = 3
_RANGE_M = 7.0
_DISTANCE_M = {
    ("pedestrian", "approaching"): 1.5,
    ("bike", "approaching"): 2.5,
    ("car", "approaching"): 3.5,
    ("heavy", "approaching"): 3.5,
    ("car", "receding"): 6.5,
    ("heavy", "receding"): 6.5,
    ("bike", "receding"): 8.0,
    ("pedestrian", "receding"): 9.5,
}


class HcSr501(Pulses):
    """One HC-SR501."""

    def __init__(self, world: Surroundings, seed: int = 0) -> None:
        super().__init__(f"hc_sr501 {seed}", held_s=PULSE_S, deaf_s=BLIND_S)
        self._world = world
        self._rng = random.Random(f"hc_sr501 {seed}")
        self._spurious: list[float] | None = None

    def level(self, now: float) -> bool | None:
        """High while it says that something moves; it always holds its output."""
        return self.active(now)

    def _detected(self, t0: float, t1: float) -> list[tuple[float, str]]:
        if self._spurious is None:  # its supply has just come
            count = self._rng.randint(0, _MOST_SPURIOUS)
            self._spurious = [t0 + self._rng.uniform(0, WARM_UP_S - PULSE_S) for _ in range(count)]
        found = [(at, "nothing, it warms up") for at in self._spurious if t0 <= at < t1]
        near = filter(in_reach, self._world.passages(t0, t1))
        found += [(each.time_s, f"{each.kind} {each.direction}") for each in near]
        return sorted(found)


def in_reach(passage: Passage) -> bool:
    """Whether somebody passes near enough."""
    return _DISTANCE_M[passage.kind, passage.direction] <= _RANGE_M


CHIP = HcSr501
