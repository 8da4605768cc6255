"""Bosch BME280 (temperature, humidity, pressure), register level, on I2C.

Source: Bosch Sensortec BME280 data sheet BST-BME280-DS002 (revision 1.6): modes 3.3, filter 3.4.4, trimming 4.2.2,
memory map 5.3, registers 5.4, I2C 6.2, double precision compensation 8.1, measurement time 9.1. The raw values are
found by turning the compensation round, so that whoever compensates gets the world's air back, to the resolution set.

Behaviour that drivers trip over, and that is modelled:

- ctrl_hum takes effect with the next write of ctrl_meas (5.4.3).
- A mode change during a measurement waits for its end; until then further changes of mode or ctrl_hum are lost (3.3.1).
- config is not taken in normal mode: the data sheet says such writes "may be ignored"; this chip always does (5.4.6).
- Writes are pairs of register and value, not auto-incremented; reads are (6.2.1, 6.2.2).
- Data registers change only at the end of a measurement, all at once, so a burst is never torn (4.1).
- Without the filter, pressure and temperature have 16 to 20 bits by oversampling, with it 20 (3.4.2, 3.4.3).

Not found, so chosen: how long im_update stays high (1 ms after a reset; the limit for start-up is 2 ms), what trimming
reads meanwhile (0), what a read without a new address reads (it goes on). Noise (3.6): humidity at x16 (0.02 %) and
pressure at x1, x2 are the data sheet's (pressure as in BST-BMP280-DS001, same cell); the others could not be looked
up: pressure goes on as there, temperature has 0.005 degC at x1, both others fall with the root of the samples.
"""

import math
import random
import struct
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import astuple, dataclass

from hadeda.emulator.chips.base import OnEvent, Surroundings

CHIP_ID = 0x60
RESET_WORD = 0xB6
ADC_SKIPPED = 0x80000
HUMIDITY_SKIPPED = 0x8000

_ID, _RESET, _CTRL_HUM, _STATUS, _CTRL_MEAS, _CONFIG, _DATA = 0xD0, 0xE0, 0xF2, 0xF3, 0xF4, 0xF5, 0xF7
_MEASURING, _IM_UPDATE = 0x08, 0x01
_SLEEP, _NORMAL = 0, 3
_SAMPLES = (0, 1, 2, 4, 8, 16, 16, 16)
_STANDBY_S = (0.0005, 0.0625, 0.125, 0.25, 0.5, 1.0, 0.010, 0.020)
_FILTER = (1, 2, 4, 8, 16, 16, 16, 16)
_NVM_COPY_S = 0.001
# Air changes slowly: the next raw value is mostly so near to the last
_NEIGHBOURHOOD = 64
# Cycles of normal mode worth replaying after a long silence: what the strongest filter still remembers.
_CYCLES_REMEMBERED = 128
_PRESSURE_NOISE_PA = {1: 3.3, 2: 2.6, 4: 2.1, 8: 1.6, 16: 1.3}


@dataclass(frozen=True)
class Trimming:
    """The trimming words of one unit.

    The defaults are those of Bosch's worked example (BST-BMP280-DS001, 3.12), with humidity words as units have them.
    """

    t1: int = 27504
    t2: int = 26435
    t3: int = -1000
    p1: int = 36477
    p2: int = -10685
    p3: int = 3024
    p4: int = 2855
    p5: int = 140
    p6: int = -7
    p7: int = 15500
    p8: int = -14600
    p9: int = 6000
    h1: int = 75
    h2: int = 362
    h3: int = 0
    h4: int = 313
    h5: int = 50
    h6: int = 30

    @classmethod
    def of_unit(cls, seed: int) -> "Trimming":
        """Every unit is trimmed differently: seed 0 is the worked example, any other a unit near it."""
        if seed == 0:
            return cls()
        rng = random.Random(f"bme280 trimming {seed}")
        return cls(
            t1=27504 + rng.randint(-600, 600),
            t2=26435 + rng.randint(-400, 400),
            t3=rng.randint(-1000, 50),
            p1=36477 + rng.randint(-600, 600),
            p2=-10685 + rng.randint(-200, 200),
            p5=rng.randint(-100, 200),
            h2=rng.randint(350, 380),
            h4=rng.randint(290, 340),
            h5=rng.randint(-30, 60),
        )

    def registers(self) -> dict[int, int]:
        """Register values at 0x88..0xA1 and 0xE1..0xE7 (table 16); h4 and h5 share 0xE5."""
        first = struct.pack("<Hhh H8h", *astuple(self)[:12])
        humidity = struct.pack("<hB", self.h2, self.h3) + bytes(
            [self.h4 >> 4 & 0xFF, self.h4 & 0x0F | (self.h5 & 0x0F) << 4, self.h5 >> 4 & 0xFF, self.h6 & 0xFF]
        )
        return {**dict(enumerate(first, 0x88)), 0xA1: self.h1, **dict(enumerate(humidity, 0xE1))}

    def t_fine(self, adc: float) -> float:
        """Fine temperature (degC times 5120) of a 20-bit temperature value (8.1)."""
        offset = adc / 16384 - self.t1 / 1024
        return offset * self.t2 + (offset / 8) ** 2 * self.t3

    def pressure_pa(self, adc: float, t_fine: float) -> float:
        """Pressure of a 20-bit pressure value (8.1)."""
        warm = t_fine / 2 - 64000
        offset = (warm * warm * self.p6 / 32768 + warm * self.p5 * 2) / 4 + self.p4 * 65536
        scale = (1 + (self.p3 * warm * warm / 524288 + self.p2 * warm) / 524288 / 32768) * self.p1
        pressure = (1048576 - adc - offset / 4096) * 6250 / scale
        return pressure + (self.p9 * pressure**2 / 2147483648 + pressure * self.p8 / 32768 + self.p7) / 16

    def humidity_percent(self, adc: float, t_fine: float) -> float:
        """Relative humidity of a 16-bit humidity value (8.1), before it is limited to 0 and 100."""
        warm = t_fine - 76800
        humidity = adc - (self.h4 * 64 + self.h5 / 16384 * warm)
        humidity *= self.h2 / 65536 * (1 + self.h6 / 67108864 * warm * (1 + self.h3 / 67108864 * warm))
        return humidity * (1 - self.h1 * humidity / 524288)


def _adc(bits: int, wanted: float, value_of: Callable[[int], float], near: int) -> int:
    """The raw value in the ADC's range whose rising value_of comes nearest to wanted; perhaps it is near `near`."""
    low, high = max(0, near - _NEIGHBOURHOOD), min(1 << bits, near + _NEIGHBOURHOOD)
    if not (value_of(low) < wanted <= value_of(high - 1)):
        low, high = 0, 1 << bits
    place = bisect_left(range(1 << bits), wanted, low, high, key=value_of)
    around = [raw for raw in (place - 1, place) if 0 <= raw < 1 << bits]
    return min(around, key=lambda raw: abs(value_of(raw) - wanted))


class Bme280:
    """One BME280. noise=False gives the ideal part: quantised, but without random noise."""

    def __init__(self, world: Surroundings, seed: int = 0, *, noise: bool = True) -> None:
        self.on_event: OnEvent | None = None
        self.trimming = Trimming.of_unit(seed)
        self._world = world
        self._noise = 1.0 if noise else 0.0
        self._rng = random.Random(f"bme280 noise {seed}")
        self._nvm = self.trimming.registers()
        self._pointer = 0
        self._power_on(-math.inf)

    def write(self, data: bytes, now: float) -> None:
        """Pairs of register and value; a lone register sets where the next read starts."""
        self._advance(now)
        for register, value in zip(data[0::2], data[1::2], strict=False):
            self._set(register, value, now)
        if data:
            self._pointer = data[-1] if len(data) % 2 else data[-2]

    def read(self, count: int, now: float) -> bytes:
        """`count` registers on from the pointer, which moves with them."""
        self._advance(now)
        found = bytes(self._get(register & 0xFF, now) for register in range(self._pointer, self._pointer + count))
        self._pointer = (self._pointer + count) & 0xFF
        return found

    @property
    def measurement_s(self) -> float:
        """Typical duration of a measurement with the oversampling in force (9.1)."""
        return measurement_s(*self._oversampling)

    @property
    def _oversampling(self) -> tuple[int, int, int]:
        """Samples of temperature, pressure and humidity in force."""
        return _SAMPLES[self._ctrl_meas >> 5], _SAMPLES[self._ctrl_meas >> 2 & 7], _SAMPLES[self._osrs_h]

    def _power_on(self, now: float) -> None:
        self._nvm_ready = now + _NVM_COPY_S
        self._ctrl_hum = self._osrs_h = self._ctrl_meas = self._config = 0
        self._pending: int | None = None
        self._measuring = False
        self._until = math.inf
        self._filtered: dict[str, float] = {}
        self._found = {"t": 0, "p": 0, "h": 0}  # raw values of the last measurement
        self._data = _data_registers(ADC_SKIPPED, ADC_SKIPPED, HUMIDITY_SKIPPED)

    def _get(self, register: int, now: float) -> int:
        if _DATA <= register < _DATA + len(self._data):
            return self._data[register - _DATA]
        if register in self._nvm:
            return self._nvm[register] if now >= self._nvm_ready else 0
        status = self._measuring * _MEASURING | (now < self._nvm_ready) * _IM_UPDATE
        known = {_ID: CHIP_ID, _CTRL_HUM: self._ctrl_hum, _STATUS: status, _CTRL_MEAS: self._ctrl_meas}
        return {**known, _CONFIG: self._config}.get(register, 0)

    def _set(self, register: int, value: int, now: float) -> None:
        if register == _RESET and value == RESET_WORD:
            self._power_on(now)
        elif register == _CTRL_HUM and self._pending is None:
            self._ctrl_hum = value & 0x07
        elif register == _CTRL_MEAS and not self._measuring:
            self._change_mode(value, now)
        elif register == _CTRL_MEAS and self._pending is None:
            self._pending = value
        elif register == _CONFIG and self._ctrl_meas & 3 != _NORMAL:
            self._config = value & 0xFD
            self._filtered = {}

    def _change_mode(self, ctrl_meas: int, now: float) -> None:
        self._pending = None
        self._osrs_h = self._ctrl_hum
        self._ctrl_meas = ctrl_meas
        self._measuring = ctrl_meas & 3 != _SLEEP
        self._until = now + self.measurement_s if self._measuring else math.inf

    def _advance(self, now: float) -> None:
        """Lets the chip live on to `now`: ends measurements, starts the next ones in normal mode."""
        cycle_s = self.measurement_s + self._standby_s
        silent = self._ctrl_meas & 3 == _NORMAL and self._pending is None
        if silent and self._until < now - 2 * _CYCLES_REMEMBERED * cycle_s:
            self._until += cycle_s * int((now - self._until) / cycle_s - _CYCLES_REMEMBERED)
        while self._until <= now:
            if not self._measuring:
                self._measuring = True
                self._until += self.measurement_s
                continue
            self._measuring = False
            self._finish(self._until)
            if self._pending is not None:
                self._change_mode(self._pending, self._until)
            elif self._ctrl_meas & 3 == _NORMAL:
                self._until += self._standby_s
            else:
                self._ctrl_meas &= ~3
                self._until = math.inf

    @property
    def _standby_s(self) -> float:
        return _STANDBY_S[self._config >> 5]

    def _finish(self, at: float) -> None:
        """Puts the results of a measurement ending at `at` into the data registers."""
        air = self._world.air(at)
        samples_t, samples_p, samples_h = self._oversampling
        t_fine = 5120 * min(85.0, max(-40.0, air.temperature_c))
        raw_t, raw_p, raw_h = ADC_SKIPPED, ADC_SKIPPED, HUMIDITY_SKIPPED
        if samples_t:
            noisy = t_fine + 5120 * self._gauss(0.005 / math.sqrt(samples_t))
            self._found["t"] = _adc(20, noisy, self.trimming.t_fine, self._found["t"])
            adc_t = _coarse(self._found["t"], samples_t, self._filter)
            raw_t = self._smooth("t", adc_t)
            t_fine = self.trimming.t_fine(adc_t)
        if samples_p:
            noisy = min(110000.0, max(30000.0, air.pressure_pa)) + self._gauss(_PRESSURE_NOISE_PA[samples_p])
            self._found["p"] = _adc(20, -noisy, lambda raw: -self.trimming.pressure_pa(raw, t_fine), self._found["p"])
            raw_p = self._smooth("p", _coarse(self._found["p"], samples_p, self._filter))
        if samples_h:
            noisy = min(100.0, max(0.0, air.humidity_percent + self._gauss(0.02 * math.sqrt(16 / samples_h))))
            near = self._found["h"]
            raw_h = self._found["h"] = _adc(16, noisy, lambda raw: self.trimming.humidity_percent(raw, t_fine), near)
        self._data = _data_registers(raw_p, raw_t, raw_h)
        if self.on_event:
            text = f"{air.temperature_c:.2f} degC, {air.humidity_percent:.1f} %, {air.pressure_pa / 100:.1f} hPa"
            self.on_event(at, text)

    @property
    def _filter(self) -> int:
        return _FILTER[self._config >> 2 & 7]

    def _smooth(self, quantity: str, adc: int) -> int:
        """The IIR filter (3.4.4); its first value passes unchanged."""
        before = self._filtered.get(quantity, float(adc))
        self._filtered[quantity] = (before * (self._filter - 1) + adc) / self._filter
        return round(self._filtered[quantity])

    def _gauss(self, deviation: float) -> float:
        return self._noise * self._rng.gauss(0, deviation)


def measurement_s(samples_t: int, samples_p: int, samples_h: int, *, longest: bool = False) -> float:
    """Duration of a measurement from the samples of each quantity (0 = skipped), typical or at the longest (9.1)."""
    start, sample, extra = (1.25, 2.3, 0.575) if longest else (1.0, 2.0, 0.5)
    others = sum(sample * samples + extra for samples in (samples_p, samples_h) if samples)
    return (start + sample * samples_t + others) / 1000


def _coarse(adc: int, samples: int, filter_coefficient: int) -> int:
    """Drops the bits an unfiltered value does not have: 16 bits at x1, one more for each doubling (3.4.2, 3.4.3)."""
    step = 1 if filter_coefficient > 1 else 16 // samples
    return min(round(adc / step) * step, (1 << 20) - step)


def _data_registers(raw_p: int, raw_t: int, raw_h: int) -> bytes:
    """0xF7..0xFE: pressure and temperature in 20 bits, left-aligned, then humidity in 16."""
    return (raw_p << 4).to_bytes(3, "big") + (raw_t << 4).to_bytes(3, "big") + raw_h.to_bytes(2, "big")


CHIP = Bme280
