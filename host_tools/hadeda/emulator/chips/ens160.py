"""ScioSense ENS160 (volatile organic compounds by metal oxides), register level, on I2C at 0x52 or 0x53.

Source: ENS160 data sheet 0.95 (December 2020): registers and their defaults in section 16, formats of temperature and
humidity in 16.2.5, 16.2.6, 16.2.12 and 16.2.13, humidity 8.2. Multi-byte registers are little endian; reads go on from
the register that was written, of which the first byte of a write is the address.

- OPMODE: 0x00 deep sleep, 0x01 idle, 0x02 standard, 0xF0 reset. New data every second in standard mode.
- DEVICE_STATUS: bit 7 a mode is running, bit 6 error, bits 3 and 2 validity (0 normal, 1 warming up, 2 first hour of
  its life, 3 not valid), bit 1 new data, until one of them is read.
- Warm-up takes 3 minutes after each start; a part that has not yet run for 24 hours starts with its first hour.
- Without TEMP_IN and RH_IN it takes 25 degC and 50 %; between 20 and 80 % it needs neither (8.2).

The page of DEVICE_STATUS and the times of starting could not be opened here: they are as public drivers quote them.

Not found, so chosen: eCO2 is 400 ppm and 1.5 ppm for each ppb of TVOC; the index is the German environment agency's
classes of TVOC (65, 220, 660, 2200 ppb); data before they are valid are 0; what it does with data of an invalid mode
(error, and what ran goes on). Noise: 5 %. **Not modelled**: the baseline that it learns, ozone, humidity outside of
20 to 80 %, the checksum register (0), interrupts, general purpose registers, ethanol.
"""

import random
from bisect import bisect_right
from math import inf

from hadeda.emulator.chips.base import OnEvent, Surroundings

PART_ID = 0x0160
WARM_UP_S, FIRST_HOUR_S = 180.0, 3600.0
_OPMODE, _COMMAND, _TEMP_IN, _RH_IN = 0x10, 0x12, 0x13, 0x15
_STATUS, _AQI, _DATA_END, _DATA_T = 0x20, 0x21, 0x26, 0x30
_DEEP_SLEEP, _IDLE, _STANDARD, _RESET = 0x00, 0x01, 0x02, 0xF0
_RUNNING, _ERROR, _NEW_DATA = 0x80, 0x40, 0x02
_NORMAL, _WARMING_UP, _STARTING_UP = 0, 1, 2
_CLASSES_PPB = (65, 220, 660, 2200)
_MAXIMUM = 65_000
_DEFAULT_T, _DEFAULT_RH = 0x4A8A, 0x6400


class Ens160:
    """One ENS160. `seasoned` ones have run for their first day. noise=False gives the ideal part."""

    def __init__(self, world: Surroundings, seed: int = 0, *, noise: bool = True, seasoned: bool = True) -> None:
        self.on_event: OnEvent | None = None
        self._world = world
        self._seed = seed
        self._noise = 0.05 if noise else 0.0
        self._start_up_s = WARM_UP_S if seasoned else FIRST_HOUR_S
        self._seasoned = seasoned
        self._pointer = 0
        self._power_on()

    def _power_on(self) -> None:
        self._mode = _DEEP_SLEEP
        self._started_at = inf
        self._shown = -1
        self._error = 0
        self._inputs = bytearray(4)  # TEMP_IN, RH_IN

    def brown_out(self) -> None:
        """The supply was gone for a moment."""
        self._power_on()

    def write(self, data: bytes, now: float) -> None:
        """The first byte is the register, the others go there and on from there."""
        if not data:
            return
        self._pointer = data[0]
        for register, value in enumerate(data[1:], data[0]):
            self._set(register, value, now)

    def read(self, count: int, now: float) -> bytes:
        """`count` registers on from the pointer, which moves with them."""
        registers = self._registers(now)
        found = bytes(registers.get(self._pointer + place & 0xFF, 0) for place in range(count))
        if self._pointer < _DATA_END and self._pointer + count > _AQI:
            self._shown = self._newest(now)
        self._pointer = self._pointer + count & 0xFF
        return found

    def _set(self, register: int, value: int, now: float) -> None:
        if register == _OPMODE:
            self._change_mode(value, now)
        elif _TEMP_IN <= register < _TEMP_IN + 4:
            self._inputs[register - _TEMP_IN] = value

    def _change_mode(self, mode: int, now: float) -> None:
        if mode == _RESET:
            self._power_on()
        elif mode not in (_DEEP_SLEEP, _IDLE, _STANDARD):
            self._error = _ERROR
        elif mode != self._mode:
            self._error = 0
            self._mode = mode
            self._started_at = now if mode == _STANDARD else inf
            self._shown = -1

    def _newest(self, now: float) -> int:
        """Seconds of measuring so far; -1 where it does not measure."""
        return int(now - self._started_at) if self._mode == _STANDARD else -1

    def _validity(self, now: float) -> int:
        age_s = now - self._started_at
        if self._mode != _STANDARD or age_s >= self._start_up_s:
            return _NORMAL
        return _WARMING_UP if self._seasoned else _STARTING_UP

    def _registers(self, now: float) -> dict[int, int]:
        newest = self._newest(now)
        running = _RUNNING if self._mode == _STANDARD else 0
        new = _NEW_DATA if newest > max(0, self._shown) else 0
        aqi, tvoc, eco2 = self._data(self._started_at + newest) if newest > 0 else (0, 0, 0)
        temperature = int.from_bytes(self._inputs[:2], "little") or _DEFAULT_T
        humidity = int.from_bytes(self._inputs[2:], "little") or _DEFAULT_RH
        words = {0x00: PART_ID, _TEMP_IN: int.from_bytes(self._inputs[:2], "little")}
        words |= {_RH_IN: int.from_bytes(self._inputs[2:], "little"), 0x22: tvoc, 0x24: eco2}
        words |= {_DATA_T: temperature, _DATA_T + 2: humidity}
        registers = {
            _OPMODE: self._mode,
            _STATUS: running | self._error | self._validity(now) << 2 | new,
            _AQI: aqi,
        }
        for register, word in words.items():
            registers[register], registers[register + 1] = word & 0xFF, word >> 8
        return registers

    def _data(self, at: float) -> tuple[int, int, int]:
        """Index, TVOC in ppb and eCO2 in ppm of the measurement at `at`."""
        if at < self._started_at + self._start_up_s:
            return 0, 0, 0
        true_ppb = self._world.air(at).tvoc_ppb
        noisy = true_ppb * (1 + random.Random(f"ens160 {self._seed} {at:.3f}").gauss(0, self._noise))
        tvoc = min(_MAXIMUM, max(0, round(noisy)))
        if self.on_event:
            self.on_event(at, f"TVOC {tvoc} ppb")
        return 1 + bisect_right(_CLASSES_PPB, tvoc), tvoc, min(_MAXIMUM, 400 + round(1.5 * tvoc))


CHIP = Ens160
