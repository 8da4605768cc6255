"""Sensirion SGP41 (raw signals of VOC and NOx), command level, on I2C at 0x59.

Source: Sensirion SGP41 data sheet 1.0, chapters 3 and 4, as the maker's driver packages describe the commands; the
tables of arguments and of the self-test from pages of the SGP40's data sheet (version 1.0, tables 9 to 14), which the
SGP41 shares.

- Conditioning (0x2612) heats the NOx pixel for at most 10 s, from idle; it answers with the VOC signal alone.
- Measuring (0x2619) answers with both signals after 50 ms; the first one after idle is to be thrown away.
- Both take humidity and temperature as words: RH * 65535 / 100 and (T + 45) * 65535 / 175; 0x8000 and 0x6666 leave the
  compensation off.
- The signals go with the logarithm of the pixels' resistance: VOC lowers the one, NOx raises the other.
- Heater off (0x3615) is idle again; the self-test (0x280E) takes 320 ms and says 0xD400 when all is well.

Not found, so chosen: what a tick is worth (1000 for each e-fold of VOC beyond 50 ppb, 800 for each of NO2 beyond
10 ppb, from 27000 and 15500, the size of what units show); the first value is off by 1000; noise of 10 ticks. A part
that was conditioned for longer than 10 s is `overheated`, and nothing else comes of it. **Not modelled**: its
compensation (the arguments change nothing) and what humidity does without it, other gases, ageing.
"""

import math
import random

from hadeda.emulator.chips.base import Surroundings
from hadeda.emulator.chips.sensirion import Command, SensirionChip, words

CONDITIONING_MAX_S = 10.0
SELF_TEST_PASSED = 0xD400
_MEASURE_S = 0.050
# What "10 s" is to a clock of a node that counts in milliseconds
_TOLERANCE_S = 0.5


class Sgp41(SensirionChip):
    """One SGP41. noise=False gives the ideal part."""

    def __init__(self, world: Surroundings, seed: int = 0, *, noise: bool = True) -> None:
        super().__init__()
        self.overheated = False
        self._world = world
        self._seed = seed
        self._noise = 10.0 if noise else 0.0
        self._serial = random.Random(f"sgp41 serial {seed}").randrange(1, 1 << 48)
        self._power_on()

    def _power_on(self) -> None:
        self.measuring = False
        self._conditioned_from: float | None = None
        self._cold = True

    def brown_out(self) -> None:
        """The supply was gone for a moment: it is idle."""
        self._power_on()
        self._answer = None

    def write(self, data: bytes, now: float) -> None:
        """As any Sensirion part; what is said to it while it is conditioned may come too late."""
        self._look_at_the_heater(now)
        super().write(data, now)

    def read(self, count: int, now: float) -> bytes:
        """As any Sensirion part."""
        self._look_at_the_heater(now)
        return super().read(count, now)

    def _look_at_the_heater(self, now: float) -> None:
        since = self._conditioned_from
        if since is not None and now - since > CONDITIONING_MAX_S + _TOLERANCE_S:
            self.overheated = True

    def _condition(self, now: float) -> bytes:
        if self._conditioned_from is None:
            self._conditioned_from = now
        return words(self._voc(now))

    def _measure(self, now: float) -> bytes:
        off = 1000 if self._cold else 0
        self.measuring, self._cold, self._conditioned_from = True, False, None
        voc, nox = self._voc(now) + off, self._nox(now) + off
        if self.on_event:
            self.on_event(now, f"VOC {voc}, NOx {nox} ticks")
        return words(voc, nox)

    def _voc(self, at: float) -> int:
        return self._ticks("voc", at, 27_000 - 1000 * math.log(1 + self._world.air(at).tvoc_ppb / 50))

    def _nox(self, at: float) -> int:
        return self._ticks("nox", at, 15_500 + 800 * math.log(1 + self._world.air(at).no2_ppb / 10))

    def _ticks(self, pixel: str, at: float, ideal: float) -> int:
        noisy = ideal + random.Random(f"sgp41 {pixel} {self._seed} {at:.3f}").gauss(0, self._noise)
        return min(0xFFFE, max(1, round(noisy)))

    def _serial_number(self) -> bytes:
        return words(self._serial >> 32, self._serial >> 16 & 0xFFFF, self._serial & 0xFFFF)

    def _command_table(self) -> dict[int, Command]:
        return {
            0x2612: Command(lambda now, _: self._condition(now), _MEASURE_S, words=2, running=False),
            0x2619: Command(lambda now, _: self._measure(now), _MEASURE_S, words=2),
            0x280E: Command(lambda _now, _: words(SELF_TEST_PASSED), 0.320, running=False),
            0x3615: Command(lambda _now, _: self._power_on(), 0.001),
            0x3682: Command(lambda _now, _: self._serial_number(), 0.001),
        }


CHIP = Sgp41
