"""Sensirion SPS30 (particulate matter), command level, on I2C at 0x69.

Source: Sensirion SPS30 data sheet, version 1.0 (March 2020), of which only the specification overview could be opened;
the rest as the maker's own driver package describes the commands and public code quotes the tables.

- Ten quantities once a second while it measures: mass of PM1.0, PM2.5, PM4.0, PM10 in ug/m3; number of particles up to
  0.5, 1, 2.5, 4 and 10 um in 1/cm3; typical size in um (as floats) or nm (as integers, firmware 2.0 and later).
- Which of both the start says: 0x0300 big-endian IEEE 754 floats, 0x0500 integers of 16 bits.
- Reading the values clears data-ready; they stay readable.
- Fan cleaning: 10 s, by itself after a week of measuring or on command; nothing is measured then.
- Status register, 32 bits: 21 fan speed out of range, 5 laser current out of range, 4 fan switched on and not turning.

PM4.0 and PM10 are not measured: the part makes them up from the smaller sizes, and its table gives them ±25 ug/m3. This
model shows the world's PM10 all the same.

Not found, so chosen: what it takes for data before the first second (0), while it cleans (data-ready stays 0), and how
it warms up: in a straight line over 8 s; start and stop in the wrong mode are acknowledged and change nothing, other
commands that need another mode are not; the bits of the register stay until it is cleared, and come back while what
they say is true. Noise: 1 ug/m3 and 2 %, a fifth of its precision. PM4.0 is half way between PM2.5 and PM10. Particle
numbers and sizes follow the masses in fixed proportion. **Not modelled**: sleep, serial number, another cleaning
interval, humidity, which makes any such part see haze as dust, and drift, which the data sheet puts at up to
1.25 ug/m3 a year.
"""

import random
import struct
from itertools import pairwise
from math import inf

from hadeda.emulator.chips.base import Surroundings
from hadeda.emulator.chips.sensirion import Command, SensirionChip, in_words, words

WARM_UP_S = 8.0
CLEANING_S = 10.0
WEEK_S = 604_800
FAN_SPEED, LASER, FAN = 1 << 21, 1 << 5, 1 << 4
PRODUCT_TYPE = b"00080000"
FIRMWARE = 0x0202
_FLOATS, _INTEGERS = 0x0300, 0x0500
# Particles in 1/cm3 up to 0.5, 1, 2.5, 4, 10 um for each ug/m3 of PM1.0, and of what PM2.5, PM4.0, PM10 add
_NUMBERS = (
    (5.9, 0.0, 0.0, 0.0),
    (6.9, 0.0, 0.0, 0.0),
    (6.9, 0.4, 0.0, 0.0),
    (6.9, 0.4, 0.05, 0.0),
    (6.9, 0.4, 0.05, 0.01),
)
_TYPICAL_UM = 0.55


class Sps30(SensirionChip):
    """One SPS30. `broken` are bits of the status register that are true; noise=False gives the ideal part."""

    def __init__(self, world: Surroundings, seed: int = 0, *, noise: bool = True) -> None:
        super().__init__()
        self.broken = 0
        self._world = world
        self._seed = seed
        self._noise = 1.0 if noise else 0.0
        self._cleaned_at = -inf  # by command
        self._power_on()

    def _power_on(self) -> None:
        self.measuring = False
        self._started_at = inf
        self._format = _FLOATS
        self._shown = 0
        self._status = 0

    def brown_out(self) -> None:
        """The supply was gone for a moment: it is idle."""
        self._power_on()
        self._answer = None

    def _start(self, now: float, output: int) -> None:
        if not self.measuring and output in (_FLOATS, _INTEGERS):
            self.measuring = True
            self._format = output
            self._started_at = now
            self._shown = 0

    def _stop(self) -> None:
        self.measuring = False
        self._started_at = inf

    def _cleaning(self, at: float) -> bool:
        age_s = at - self._started_at
        weekly = age_s >= WEEK_S and age_s % WEEK_S < CLEANING_S
        return weekly or 0 <= at - self._cleaned_at < CLEANING_S

    def _newest(self, now: float) -> int:
        """Number of the newest measurement, one each second from 1 on; those of a cleaning are left out."""
        if not self.measuring:
            return 0
        newest = int(now - self._started_at)
        while newest > self._shown and self._cleaning(self._started_at + newest):
            newest -= 1
        return newest

    def _data_ready(self, now: float) -> bytes:
        return words(int(self._newest(now) > self._shown))

    def _values(self, now: float) -> bytes:
        self._shown = self._newest(now)
        values = self._quantities(self._started_at + self._shown) if self._shown else [0.0] * 10
        if self._format == _FLOATS:
            return in_words(struct.pack(">10f", *values))
        return words(*(min(0xFFFF, round(value)) for value in (*values[:9], 1000 * values[9])))

    def _quantities(self, at: float) -> list[float]:
        air = self._world.air(at)
        rng = random.Random(f"sps30 {self._seed} {at:.3f}")
        risen = min(1.0, (at - self._started_at) / WARM_UP_S)
        masses: list[float] = []
        for true in (air.pm1_0_ugm3, air.pm2_5_ugm3, (air.pm2_5_ugm3 + air.pm10_ugm3) / 2, air.pm10_ugm3):
            shown = risen * true + self._noise * (rng.gauss(0, 1.0) + true * rng.gauss(0, 0.02))
            masses.append(max(shown, masses[-1] if masses else 0.0))
        added = [masses[0], *(more - less for less, more in pairwise(masses))]
        numbers = [sum(part * mass for part, mass in zip(row, added, strict=True)) for row in _NUMBERS]
        if self.on_event:
            self.on_event(at, f"PM1.0 {masses[0]:.1f}, PM2.5 {masses[1]:.1f}, PM10 {masses[3]:.1f} ug/m3")
        return [*masses, *numbers, _TYPICAL_UM]

    def _register(self) -> bytes:
        if self.measuring:
            self._status |= self.broken
        return words(self._status >> 16, self._status & 0xFFFF)

    def _clear(self) -> None:
        self._status = 0

    def _clean(self, now: float) -> None:
        self._cleaned_at = now

    def _command_table(self) -> dict[int, Command]:
        return {
            0x0010: Command(lambda now, given: self._start(now, given[0]), 0.020, words=1),
            0x0104: Command(lambda _now, _: self._stop(), 0.020),
            0x0202: Command(lambda now, _: self._data_ready(now)),
            0x0300: Command(lambda now, _: self._values(now)),
            0x5607: Command(lambda now, _: self._clean(now), 0.005, running=True),
            0xD002: Command(lambda _now, _: in_words(PRODUCT_TYPE)),
            0xD100: Command(lambda _now, _: words(FIRMWARE)),
            0xD206: Command(lambda _now, _: self._register()),
            0xD210: Command(lambda _now, _: self._clear(), 0.005),
            0xD304: Command(lambda _now, _: self._power_on(), 0.100),
        }


CHIP = Sps30
