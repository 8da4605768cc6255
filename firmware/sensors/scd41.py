"""Sensirion SCD41: CO2 by photoacoustics, measured every five seconds.

Ours, because Adafruit's SCD4X driver stops a measurement by sleeping for half a second, and nothing else runs then.
Commands and times: Sensirion SCD4x datasheet 1.3, chapters 3.4 to 3.9. Its temperature and humidity are those of its
own warm inside, there for its own compensation, and are not asked for. Automatic self-calibration stays as it is from
the factory: on.
"""

import errno

from micropython import const

from envelope.labels import FAULT_IMPLAUSIBLE
from node.errors import SensorFault
from sensors.periodic import read_for_ever
from sensors.sensirion import Words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from busio import I2C
    from node.sample import Output
    from ports.clock import Clock

PART = {"kind": "air", "channels": (7,)}

_CO2 = const(7)  # ppm

_STOP = b"\x3f\x86"
_SERIAL = b"\x36\x82"
_START = b"\x21\xb1"
_READY = b"\xe4\xb8"
_READ = b"\xec\x05"

# A node that was reset finds the part measuring: it takes no other command then, and half a second to stop
_STOP_MS = const(500)
_START_MS = const(2)
_SERIAL_WORDS = const(3)
# Any of these bits: there is a measurement that was not read yet
_READY_BITS = const(0x07FF)
# A measurement takes 5 s
_LOOKS = const(8)
_LOOK_MS = const(1000)
# Its output goes to 40000. No air has less than this, not even as it is told on a mountain
_LEAST_PPM = const(200)
_MOST_PPM = const(40000)


def open(entry: "dict[str, Any]", bus: "I2C", clock: "Clock") -> "Scd41":
    return Scd41(Words(bus, entry["address"], clock), entry["period_s"], clock)


class Scd41:
    """One part, read every `period_s` seconds."""

    def __init__(self, part: Words, period_s: int, clock: "Clock") -> None:
        self._part = part
        self._period_ms = max(5, period_s) * 1000
        self._clock = clock

    async def run(self, out: "Output") -> None:
        """Read for ever; a part that is absent, hangs, says nonsense or does not measure raises."""
        await self._start()
        await read_for_ever(self._read, out, self._period_ms, self._clock)

    async def _start(self) -> None:
        await self._part.tell(_STOP, _STOP_MS)
        if not any(await self._part.ask(_SERIAL, _SERIAL_WORDS)):
            raise SensorFault(FAULT_IMPLAUSIBLE)
        await self._part.tell(_START, _START_MS)

    async def _read(self, out: "Output") -> None:
        for _ in range(_LOOKS):
            if int.from_bytes(await self._part.ask(_READY, 1), "big") & _READY_BITS:
                break
            await self._clock.sleep_ms(_LOOK_MS)
        else:  # it was reset behind our back, and is not measuring
            raise OSError(errno.ETIMEDOUT)
        co2_ppm = int.from_bytes(await self._part.ask(_READ, 1), "big")
        if not _LEAST_PPM <= co2_ppm <= _MOST_PPM:
            raise SensorFault(FAULT_IMPLAUSIBLE)
        out.reading(_CO2, co2_ppm)
