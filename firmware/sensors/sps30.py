"""Sensirion SPS30: particle mass concentrations PM1.0, PM2.5 and PM10, on I2C.

Commands, times and the status register: Sensirion SPS30 datasheet 1.0, chapters 4 and 6, as the maker's driver quotes
them; the register needs the part's firmware 2.2. The part measures every second while it runs, and cleans its fan for
ten seconds once a week by itself: there is no measurement then. A fan or a laser that the part itself says is broken
gives no reading.
"""

import errno
import struct

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

PART = {"kind": "air", "channels": (4, 5, 6)}

# Channel and place of each among the floats of an answer: PM1.0, PM2.5, (PM4.0), PM10
_PLACES = ((4, 0), (5, 1), (6, 3))
_VALUES_WORDS = const(8)
_PER_UNIT = const(10)  # channels are in 0.1 ug/m3
_MAXIMUM_UGM3 = const(1000)

_STOP = b"\x01\x04"
_TYPE = b"\xd0\x02"
_CLEAR_STATUS = b"\xd2\x10"
_START = b"\x00\x10\x03\x00\xac"  # as floats
_READY = b"\x02\x02"
_STATUS = b"\xd2\x06"
_READ = b"\x03\x00"

_SPS30 = b"00080000"
_TYPE_WORDS = const(4)
_STATUS_WORDS = const(2)
# Fan speed out of range, laser current out of range, fan blocked
_BROKEN = const(1 << 21 | 1 << 5 | 1 << 4)

_MODE_MS = const(20)
# Stable 8 s after the start in dirty air, 30 s after it in clean air
_WARM_UP_MS = const(30000)
# Longer than a cleaning of the fan
_LOOKS = const(15)
_LOOK_MS = const(1000)


def open(entry: "dict[str, Any]", bus: "I2C", clock: "Clock") -> "Sps30":
    return Sps30(Words(bus, entry["address"], clock), entry["period_s"], clock)


class Sps30:
    """One part, read every `period_s` seconds."""

    def __init__(self, part: Words, period_s: int, clock: "Clock") -> None:
        self._part = part
        self._period_ms = max(1, period_s) * 1000
        self._clock = clock

    async def run(self, out: "Output") -> None:
        """Read for ever; a part that is absent, another one, broken, or does not measure raises: it is started anew."""
        await self._start()
        await read_for_ever(self._read, out, self._period_ms, self._clock)

    async def _start(self) -> None:
        part = self._part
        await part.tell(_STOP, _MODE_MS)
        if await part.ask(_TYPE, _TYPE_WORDS) != _SPS30:
            raise SensorFault(FAULT_IMPLAUSIBLE)
        await part.tell(_CLEAR_STATUS, _MODE_MS)
        await part.tell(_START, _MODE_MS)
        await self._clock.sleep_ms(_WARM_UP_MS)

    async def _read(self, out: "Output") -> None:
        for _ in range(_LOOKS):
            if (await self._part.ask(_READY, 1))[1] & 1:
                break
            await self._clock.sleep_ms(_LOOK_MS)
        else:  # it was reset behind our back, and is not measuring
            raise OSError(errno.ETIMEDOUT)
        status = int.from_bytes(await self._part.ask(_STATUS, _STATUS_WORDS), "big")
        values = struct.unpack(">4f", await self._part.ask(_READ, _VALUES_WORDS))
        for value in values:
            if status & _BROKEN or not 0 <= value <= _MAXIMUM_UGM3:  # nor is NaN within
                raise SensorFault(FAULT_IMPLAUSIBLE)
        for channel, place in _PLACES:
            out.reading(channel, round(values[place] * _PER_UNIT))
