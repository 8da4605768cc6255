"""A detector's output that gives a pulse of one length for who comes while it is not, or not yet again, active."""

import math
import random
from collections import deque

from hadeda.emulator.chips.base import OnEvent

_LOAD_S = 60.0


class Pulses:
    """What such detectors have in common; each has its own `_detected`.

    A pulse lasts `held_s`; for `deaf_s` after it nothing is detected. Both edges bounce for `bounce_s`. It is powered
    from the moment it is first asked. `begun` counts its pulses so far.
    """

    def __init__(self, seed: str, *, held_s: float, deaf_s: float, bounce_s: float = 0.0) -> None:
        self.on_event: OnEvent | None = None
        self.begun = 0
        self._seed = seed
        self._held_s = held_s
        self._deaf_s = deaf_s
        self._bounce_s = bounce_s
        self._ahead: deque[tuple[float, str]] = deque()  # when pulses will begin, and why
        self._edge_s = -math.inf  # when the newest one began
        self._loaded_s: float | None = None
        self._free_s = -math.inf

    def active(self, now: float) -> bool:
        """Whether the output is active; while an edge bounces, by chance."""
        if self._loaded_s is None:
            self._loaded_s = now
        while self._loaded_s <= now:
            self._load(self._loaded_s, self._loaded_s + _LOAD_S)
        while self._ahead and self._ahead[0][0] <= now:
            self._edge_s, why = self._ahead.popleft()
            self.begun += 1
            if self.on_event:
                self.on_event(self._edge_s, why)
        since_s = now - self._edge_s
        if since_s < self._bounce_s or 0 <= since_s - self._held_s < self._bounce_s:
            return random.Random(f"bounce {self._seed} {now:.4f}").random() < 0.5
        return since_s < self._held_s

    def _load(self, t0: float, t1: float) -> None:
        for moment, why in self._detected(t0, t1):
            if moment >= self._free_s:
                self._ahead.append((moment, why))
                self._free_s = moment + self._held_s + self._deaf_s
        self._loaded_s = t1

    def _detected(self, t0: float, t1: float) -> list[tuple[float, str]]:
        """What is detected at t0 <= time < t1, in order of time, with the cause in words."""
        raise NotImplementedError
