"""Nortech TD136 (inductive loop detector), at the level of its presence relay's contact.

Source: Nortech 301UM0031_01, TD136 user manual, read in the pages that manual sites carry (2.1 functional data, 3.2.3
presence time, 4.3 modes, 4.4 response times). Relays respond within 60 ms, on and off. With presence time 1 s (both
switches on) a vehicle that comes onto the loop gives a pulse of 1 s, after which the detector has tuned itself to
whatever stands there and waits for the next change. The presence output is fail-safe: without supply it detects. So
the relay is energised at rest, and what is modelled is the contact that it then closes, between pin and ground.

Not found, so chosen: a vehicle that comes during another's pulse makes none; the contact bounces for 5 ms (relays do
for 1 to 20 ms, as their makers say in general); the loop lies across the whole carriageway, reaches 1 m towards who
comes, and no bicycle has enough metal for it. A lorry with a high bed does not count twice, and nothing is modelled of
tuning after the supply came, of drift and of other loops nearby.
"""

from hadeda.emulator.chips.base import Surroundings
from hadeda.emulator.chips.pulses import Pulses
from hadeda.scenario import Passage

PULSE_S = 1.0
_RESPONSE_S = 0.060
_BOUNCE_S = 0.005
_REACH_M = 1.0
_KINDS = ("car", "heavy")
_SLOWEST_MS = 2.0 / 3.6


class Td136(Pulses):
    """One TD136. `bounce_s` is how long its contact bounces: a worn one does for longer."""

    def __init__(self, world: Surroundings, seed: int = 0, *, bounce_s: float = _BOUNCE_S) -> None:
        super().__init__(f"td136 {seed}", held_s=PULSE_S, deaf_s=_RESPONSE_S, bounce_s=bounce_s)
        self._world = world

    def level(self, now: float) -> bool | None:
        """Low while the contact is closed: nobody is there."""
        return None if self.active(now) else False

    def _detected(self, t0: float, t1: float) -> list[tuple[float, str]]:
        passages = self._world.passages(t0 - _RESPONSE_S, t1 + _REACH_M / _SLOWEST_MS)
        found = [(_onto(passage), f"{passage.kind} on the loop") for passage in passages if passage.kind in _KINDS]
        return sorted(each for each in found if t0 <= each[0] < t1)


def _onto(passage: Passage) -> float:
    """When the relay responds to somebody."""
    return passage.time_s - _REACH_M / (passage.speed_kmh / 3.6) + _RESPONSE_S


CHIP = Td136
