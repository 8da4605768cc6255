"""ScioSense ENS160: volatile organic compounds, together, as the part itself works them out from metal oxides.

Registers: ENS160 datasheet 0.95, section 16. Its eCO2 and air quality index come from the same signal: nobody measured
CO2, and an index of an index would be averaged, so neither is asked for. What it says while it warms up, and in the
first hour of its life, is not told. Its checksum register is left alone, as no source says where that sum begins; what
is read is read until it is twice the same.
"""

import errno

from micropython import const

from envelope.labels import FAULT_BAD_FRAME, FAULT_IMPLAUSIBLE
from node.errors import SensorFault
from sensors.periodic import read_for_ever

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from busio import I2C
    from node.sample import Output
    from ports.clock import Clock

PART = {"kind": "air", "channels": (8,)}

_TVOC = const(8)  # ppb
_MAXIMUM_PPB = const(65000)

_PART_ID = b"\x00"
_ENS160 = b"\x60\x01"
_MODE = b"\x10"
_STANDARD = b"\x02"
_SET_STANDARD = b"\x10\x02"
# From the status on: status, air quality index, TVOC of two bytes, least significant first
_STATUS = b"\x20"
_BURST = const(4)
_RUNNING = const(0x80)
_ERROR = const(0x40)
_VALIDITY = const(0x0C)  # 0 normal, else warming up, in its first hour, or not valid
_INVALID = const(0x0C)
_LASTING = const(0xFC)  # the other two bits tell of new data, and only once

_MODE_MS = const(20)
_TRANSFER_MS = const(50)
_READS = const(4)


def open(entry: "dict[str, Any]", bus: "I2C", clock: "Clock") -> "Ens160":
    return Ens160(bus, entry["address"], entry["period_s"], clock)


class Ens160:
    """One part at `address`, read every `period_s` seconds."""

    def __init__(self, bus: "I2C", address: int, period_s: int, clock: "Clock") -> None:
        self._bus = bus
        self._address = address
        self._period_ms = max(1, period_s) * 1000
        self._clock = clock

    async def run(self, out: "Output") -> None:
        """Read for ever; a part that is absent, another one, not running or in error raises: it is started anew."""
        await self._start()
        await read_for_ever(self._read, out, self._period_ms, self._clock)

    async def _start(self) -> None:
        if self._twice(_PART_ID, len(_ENS160)) != _ENS160:
            raise SensorFault(FAULT_IMPLAUSIBLE)
        # One that is running stays as it is: started again, it would warm up again
        if self._twice(_MODE, 1) != _STANDARD:
            self._bus.allow(_TRANSFER_MS, 1)
            self._bus.writeto(self._address, _SET_STANDARD)
            await self._clock.sleep_ms(_MODE_MS)

    def _twice(self, register: bytes, count: int, mask: int = 0xFF) -> bytearray:
        """So many registers, the same at two readings in a row, with the bits of `mask` in the first."""
        self._bus.allow(_TRANSFER_MS, _READS)
        last = None
        for _ in range(_READS):
            data = bytearray(count)
            self._bus.writeto_then_readfrom(self._address, register, data)
            data[0] &= mask
            if data == last:
                return data
            last = data
        raise SensorFault(FAULT_BAD_FRAME)

    async def _read(self, out: "Output") -> None:
        data = self._twice(_STATUS, _BURST, _LASTING)
        status, tvoc_ppb = data[0], data[2] | data[3] << 8
        if not status & _RUNNING:  # it was reset behind our back
            raise OSError(errno.ETIMEDOUT)
        validity = status & _VALIDITY
        if status & _ERROR or validity == _INVALID or tvoc_ppb > _MAXIMUM_PPB:
            raise SensorFault(FAULT_IMPLAUSIBLE)
        if validity:
            out.alive()
        else:
            out.reading(_TVOC, tvoc_ppb)
