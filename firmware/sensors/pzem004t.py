"""Peacefair PZEM-004T v3, energy meter of one circuit, over Modbus RTU: what was used since it was read last, in Wh.

Protocol: PZEM-004T V3.0 user manual, section 2. Voltage, current, power, frequency and power factor come along; they
show whether an answer can be right and go no further. node/energy.py says what becomes of the energy.
"""

from micropython import const

from envelope.labels import CHANNEL_ENERGY, FAULT_BAD_FRAME, FAULT_IMPLAUSIBLE, FAULT_NO_ANSWER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from node.sample import Output
    from ports.bus import Uart
    from ports.clock import Clock

PART = {"kind": "energy", "channels": (CHANNEL_ENERGY,)}

# Read ten input registers from 0 on, at the address that any meter answers to when it is alone
_READ = b"\xf8\x04\x00\x00\x00\x0a\x64\x64"
_ANSWER_HEAD = b"\x04\x14"
_ANSWER = const(25)
_POLYNOMIAL = const(0xA001)

# The meter's limits: 260 V, 65 Hz, 100 A
_VOLTAGE_MAX = const(3000)  # 0.1 V
_FREQUENCY = (400, 700)  # 0.1 Hz
_POWER_MAX_W = const(26000)
_POWER_FACTOR_MAX = const(100)

_ANSWER_MS = const(1000)
_POLL_MS = const(50)
_BUFFER = const(64)
_READS = const(33)


def open(entry: "dict[str, Any]", bus: "Uart", clock: "Clock") -> "Pzem004t":
    return Pzem004t(bus, entry["period_s"], clock)


def crc16(data: bytes) -> int:
    """Modbus RTU's CRC; it stands in a frame low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc


def answer(heard: bytes) -> "list[int] | None":
    """The ten registers of the first whole and undamaged answer in what was heard, None when there is none."""
    at = heard.find(_ANSWER_HEAD, 1) - 1
    while 0 <= at <= len(heard) - _ANSWER:
        frame = heard[at : at + _ANSWER]
        if crc16(frame[:-2]) == frame[-2] | frame[-1] << 8:
            return [frame[i] << 8 | frame[i + 1] for i in range(3, _ANSWER - 2, 2)]
        at = heard.find(_ANSWER_HEAD, at + 2) - 1
    return None


class Pzem004t:
    """One meter, read every `period_s` seconds."""

    def __init__(self, uart: "Uart", period_s: int, clock: "Clock") -> None:
        self._uart = uart
        self._period_s = max(2, period_s)
        self._clock = clock
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._last_wh = -1
        self._since_s = 0  # how long ago that was, at most

    async def run(self, out: "Output") -> None:
        """Read for ever. The register counts on while the meter is not heard: nothing is lost by that."""
        while True:
            out.alive()
            registers = await self._ask(out)
            self._since_s += self._period_s + 2
            if registers is not None:
                self._pass_on(registers, out)
            await self._clock.sleep_ms(self._period_s * 1000)

    async def _ask(self, out: "Output") -> "list[int] | None":
        for _ in range(_READS):  # what came late, or unasked
            if not self._uart.read_now(self._buffer):
                break
        self._uart.write(_READ)
        heard = b""
        for _ in range(_ANSWER_MS // _POLL_MS):
            await self._clock.sleep_ms(_POLL_MS)
            heard += bytes(self._view[: self._uart.read_now(self._buffer)])
            registers = answer(heard)
            if registers is not None:
                return registers
        out.fault(FAULT_BAD_FRAME if heard else FAULT_NO_ANSWER)
        return None

    def _pass_on(self, registers: "list[int]", out: "Output") -> None:
        """The step of the register. One that goes back, or faster than the meter can count, begins anew."""
        volts, _, _, power, power_high, low, high, frequency, factor, _ = registers
        watts = (power_high << 16 | power) // 10
        if (
            volts > _VOLTAGE_MAX
            or watts > _POWER_MAX_W
            or not _FREQUENCY[0] <= frequency <= _FREQUENCY[1]
            or factor > _POWER_FACTOR_MAX
        ):
            out.fault(FAULT_IMPLAUSIBLE)
            return
        wh = high << 16 | low
        used_wh = wh - self._last_wh
        if 0 <= used_wh <= self._since_s * _POWER_MAX_W // 3600 + 1:
            if self._last_wh >= 0:
                out.reading(CHANNEL_ENERGY, used_wh)
        elif self._last_wh >= 0:
            out.fault(FAULT_IMPLAUSIBLE)
        self._last_wh = wh
        self._since_s = 0
