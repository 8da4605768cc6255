"""Sensirion SCD41 (CO2, temperature, humidity), command level, on I2C at 0x62.

Source: Sensirion SCD4x data sheet, version 1.3 (September 2022): power-up 3.1, words 3.2 and 3.11, command table and
times 3.4, periodic measurement 3.5, compensation 3.6, low power 3.8, serial number 3.9.2, single shot 3.10; response
time of 60 s from table 1.

- A measurement is there 5 s after the start and every 5 s from then on, every 30 s in low power mode; reading it
  empties the buffer, and a read of an empty buffer is not acknowledged (3.5.2).
- While it measures it takes the commands that the table marks, and acknowledges no other (3.4).
- Temperature is (word / 65535) * 175 - 45, humidity (word / 65535) * 100.
- wake_up is not acknowledged (3.10.4).

Not found, so chosen: how far CO2 goes with pressure (in proportion: it counts molecules, and the table of its
compensation is not published), from which altitude the pressure follows (the international standard atmosphere); the
bits of data-ready beside the eleven that tell (0x8000); noise of 10 ppm, as its repeatability was quoted. The response
of 60 s is a delay, which is what a first-order lag makes of a slow change. Its inside is warmer than the air by the
factory's offset of 4 degC. **Not modelled**: forced and automatic self-calibration (it can be switched, nothing comes
of it), persisting, factory reset, self-test, newer commands.
"""

import random
from math import inf

from hadeda.emulator.chips.base import Nack, Surroundings
from hadeda.emulator.chips.sensirion import Command, SensirionChip, words

PERIOD_S, LOW_POWER_PERIOD_S, SINGLE_SHOT_S = 5.0, 30.0, 5.0
RESPONSE_S = 60.0
SEA_PA = 101_325.0
WARMER_C = 4.0
OUTPUT_PPM = (0, 40_000)


class Scd41(SensirionChip):
    """One SCD41. noise=False gives the ideal part; `co2_offset_ppm` is one that has drifted."""

    def __init__(self, world: Surroundings, seed: int = 0, *, noise: bool = True, co2_offset_ppm: float = 0.0) -> None:
        super().__init__()
        self.co2_offset_ppm = co2_offset_ppm
        self._world = world
        self._seed = seed
        self._noise_ppm = 10.0 if noise else 0.0
        self._serial = random.Random(f"scd41 serial {seed}").randrange(1, 1 << 48)
        self._power_on()

    def _power_on(self) -> None:
        self.measuring = False
        self._asleep = False
        self._first_at = inf
        self._period_s = PERIOD_S
        self._taken = 0
        # A pressure of 0 has not been set: the altitude holds
        self._settings = {
            "offset": round(WARMER_C * 65535 / 175),
            "altitude_m": 0,
            "pressure_hpa": 0,
            "self_calibrates": 1,
        }

    def brown_out(self) -> None:
        """The supply was gone for a moment: it is idle, with the factory's settings."""
        self._power_on()
        self._answer = None

    def write(self, data: bytes, now: float) -> None:
        """As any Sensirion part; asleep, it hears wake_up alone, which it does not acknowledge."""
        if self._asleep or data == b"\x36\xf6":
            if data == b"\x36\xf6":
                self._asleep = False
                self._busy_until = max(self._busy_until, now + 0.020)
            raise Nack("asleep, or waking up")
        super().write(data, now)

    def _start(self, now: float, period_s: float) -> None:
        self.measuring = True
        self._period_s = period_s
        self._first_at = now + period_s
        self._taken = 0

    def _stop(self) -> None:
        self.measuring = False
        self._first_at = inf

    def _single_shot(self, now: float) -> None:
        """One measurement, read after the command's time."""
        self._period_s = inf
        self._first_at = now + SINGLE_SHOT_S
        self._taken = 0

    def _made(self, now: float) -> int:
        """How many measurements have been made since the start."""
        if now < self._first_at:
            return 0
        return 1 + (int((now - self._first_at) / self._period_s) if self._period_s < inf else 0)

    def _data_ready(self, now: float) -> bytes:
        return words(0x8000 | (6 if self._made(now) > self._taken else 0))

    def _measurement(self, now: float) -> bytes | None:
        made = self._made(now)
        if made <= self._taken:
            return None
        self._taken = made
        at = self._first_at + ((made - 1) * self._period_s if made > 1 else 0.0)
        air = self._world.air(at)
        co2 = round(self._co2_ppm(at))
        inside_c = air.temperature_c + WARMER_C - 175 * self._settings["offset"] / 65535
        told = (co2, round((inside_c + 45) * 65535 / 175), round(air.humidity_percent * 65535 / 100))
        if self.on_event:
            self.on_event(at, f"CO2 {co2} ppm")
        return words(*(min(0xFFFF, max(0, word)) for word in told))

    def _co2_ppm(self, at: float) -> float:
        """What it takes for CO2: the air's, as if it were under the pressure it has been told."""
        true_ppm = self._world.air(at - RESPONSE_S).co2_ppm
        told_pa = 100.0 * self._settings["pressure_hpa"] or _pressure_pa(self._settings["altitude_m"])
        noise_ppm = random.Random(f"scd41 {self._seed} {at:.3f}").gauss(0, self._noise_ppm)
        shown = true_ppm * self._world.air(at).pressure_pa / told_pa + noise_ppm + self.co2_offset_ppm
        return min(OUTPUT_PPM[1], max(OUTPUT_PPM[0], shown))

    def _fall_asleep(self) -> None:
        self._asleep = True

    def _serial_number(self) -> bytes:
        return words(self._serial >> 32, self._serial >> 16 & 0xFFFF, self._serial & 0xFFFF)

    def _command_table(self) -> dict[int, Command]:
        def setter(name: str) -> Command:
            return Command(lambda _now, given: self._settings.update({name: given[0]}), 0.001, words=1, running=False)

        def getter(name: str) -> Command:
            return Command(lambda _now, _: words(self._settings[name]), 0.001, running=False)

        return {
            0x21B1: Command(lambda now, _: self._start(now, PERIOD_S), running=False),
            0x21AC: Command(lambda now, _: self._start(now, LOW_POWER_PERIOD_S), running=False),
            0xEC05: Command(lambda now, _: self._measurement(now), 0.001),
            0x3F86: Command(lambda _now, _: self._stop(), 0.500),
            0xE4B8: Command(lambda now, _: self._data_ready(now), 0.001),
            0xE000: Command(lambda _now, given: self._settings.update(pressure_hpa=given[0]), 0.001, words=1),
            0x241D: setter("offset"),
            0x2318: getter("offset"),
            0x2427: setter("altitude_m"),
            0x2322: getter("altitude_m"),
            0x2416: setter("self_calibrates"),
            0x2313: getter("self_calibrates"),
            0x3682: Command(lambda _now, _: self._serial_number(), 0.001, running=False),
            0x3646: Command(lambda _now, _: self._power_on(), 0.020, running=False),
            0x219D: Command(lambda now, _: self._single_shot(now), SINGLE_SHOT_S, running=False),
            0x36E0: Command(lambda _now, _: self._fall_asleep(), 0.001, running=False),
        }


def _pressure_pa(altitude_m: int) -> float:
    """Of the international standard atmosphere."""
    return float(SEA_PA * (1 - 2.25577e-5 * altitude_m) ** 5.25588)


CHIP = Scd41
