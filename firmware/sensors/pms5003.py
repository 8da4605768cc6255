"""Plantower PMS5003: particle mass concentrations PM1.0, PM2.5 and PM10.

Ours, because Adafruit's PM25 driver waits inside `uart.read`, and raises on the first damaged frame. The chip is asked
for a frame when one is due (passive mode), so it wakes the node once a period instead of once a second. Protocol:
Plantower PMS5003 series data manual V2.3, appendices I and II.
"""

from micropython import const

from envelope.labels import FAULT_BAD_FRAME, FAULT_IMPLAUSIBLE, FAULT_NO_ANSWER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from node.sample import Output
    from ports.bus import Uart
    from ports.clock import Clock

PART = {"kind": "air", "channels": (4, 5, 6)}

_CHANNELS = (4, 5, 6)  # PM1.0, PM2.5, PM10 in 0.1 ug/m3
_PER_UNIT = const(10)

_START = b"BM"  # 0x42 0x4d
_FRAME = const(32)
_LENGTH = const(28)
# Data 4 to 6: concentrations "under atmospheric environment" (1 to 3 are for a factory's standard particles)
_FIRST_VALUE = const(10)
# Maximum range of PM2.5 "standard data" is 1000 and more; a street beyond it is a broken sensor
_MAXIMUM_UGM3 = const(1000)

_WAKE = b"BM\xe4\x00\x01\x01\x74"
_PASSIVE = b"BM\xe1\x00\x00\x01\x70"
_READ = b"BM\xe2\x00\x00\x01\x71"

# Stable data 30 seconds after the fan starts
_WARM_UP_MS = const(30000)
_ANSWER_MS = const(1500)
_POLL_MS = const(50)


def open(entry: "dict[str, Any]", bus: "Uart", clock: "Clock") -> "Pms5003":
    return Pms5003(bus, entry["period_s"], clock)


class Parser:
    """Finds whole frames in whatever arrives; `bad` counts the frames thrown away since it was last set to 0."""

    def __init__(self) -> None:
        self._pending = b""
        self.bad = 0

    def feed(self, data: "bytes | memoryview") -> "tuple[int, int, int] | None":
        """(PM1.0, PM2.5, PM10) in ug/m3 of the newest whole frame, None when there is none yet."""
        newest = None
        pending = self._pending + bytes(data)
        while True:
            at = pending.find(_START)
            if at < 0:
                # A start whose second byte is still to come
                pending = pending[-1:] if pending[-1:] == _START[:1] else b""
                break
            if len(pending) - at < 4:
                pending = pending[at:]
                break
            if pending[at + 2] << 8 | pending[at + 3] != _LENGTH:
                pending = pending[at + 1 :]  # an acknowledgement, or no start at all
                continue
            if len(pending) - at < _FRAME:
                pending = pending[at:]
                break
            if not _sum_holds(pending, at):
                self.bad += 1
                pending = pending[at + 1 :]
                continue
            newest = _values(pending, at)
            pending = pending[at + _FRAME :]
        self._pending = pending
        return newest

    def forget(self) -> None:
        self._pending = b""


def _sum_holds(data: bytes, at: int) -> bool:
    total = 0
    for i in range(at, at + _FRAME - 2):
        total += data[i]
    return total == data[at + _FRAME - 2] << 8 | data[at + _FRAME - 1]


def _values(data: bytes, at: int) -> "tuple[int, int, int]":
    at += _FIRST_VALUE
    return data[at] << 8 | data[at + 1], data[at + 2] << 8 | data[at + 3], data[at + 4] << 8 | data[at + 5]


class Pms5003:
    """One chip, read every `period_s` seconds."""

    def __init__(self, uart: "Uart", period_s: int, clock: "Clock") -> None:
        self._uart = uart
        self._period_ms = max(2, period_s) * 1000
        self._clock = clock
        self._buffer = bytearray(64)
        self._view = memoryview(self._buffer)
        self._parser = Parser()

    async def run(self, out: "Output") -> None:
        """Read for ever; a silent chip is a fault a period, and is told its mode again."""
        awake = False
        while True:
            if not awake:
                self._uart.write(_WAKE)
                await self._clock.sleep_ms(_POLL_MS)
                self._uart.write(_PASSIVE)
                await self._clock.sleep_ms(_WARM_UP_MS)
            awake = await self._read(out)
            await self._clock.sleep_ms(self._period_ms)

    async def _read(self, out: "Output") -> bool:
        """Ask for one frame and pass it on. False when nothing came."""
        self._drop_old()
        self._uart.write(_READ)
        heard = False
        for _ in range(_ANSWER_MS // _POLL_MS):
            await self._clock.sleep_ms(_POLL_MS)
            count = self._uart.read_now(self._buffer)
            if not count:
                continue
            heard = True
            values = self._parser.feed(self._view[:count])
            if values is not None:
                self._pass_on(values, out)
                return True
        out.fault(FAULT_BAD_FRAME if heard else FAULT_NO_ANSWER)
        return heard

    def _drop_old(self) -> None:
        """What arrived unasked since the last reading (the chip came back in active mode) is old."""
        for _ in range(32):
            if not self._uart.read_now(self._buffer):
                break
        self._parser.forget()
        self._parser.bad = 0

    def _pass_on(self, values: "tuple[int, int, int]", out: "Output") -> None:
        if self._parser.bad:
            out.fault(FAULT_BAD_FRAME)
        if max(values) > _MAXIMUM_UGM3:
            out.fault(FAULT_IMPLAUSIBLE)
            return
        for i, channel in enumerate(_CHANNELS):
            out.reading(channel, values[i] * _PER_UNIT)
