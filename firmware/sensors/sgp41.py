"""Sensirion SGP41: the raw signals of its VOC and NOx pixels, in ticks, which are no concentrations.

What people read off this part is Sensirion's gas index, which learns for days what is usual and says what differs from
that. It is not computed here: what it has learned would have to outlive resets, and nothing that a sensor saw lies in
flash unsealed. The ticks go with the logarithm of each pixel's resistance; more VOC lowers the one, more NOx raises the
other.

Commands and times: Sensirion SGP41 datasheet 1.0, chapter 4, as the maker's driver quotes them. The NOx pixel wants ten
seconds of conditioning from idle, and more than ten can damage it.
"""

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

PART = {"kind": "air", "channels": (9, 10)}

_VOC, _NOX = const(9), const(10)

_HEATER_OFF = b"\x36\x15"
_SERIAL = b"\x36\x82"
# With 50 % and 25 degC, which leaves its compensation off
_CONDITION = b"\x26\x12\x80\x00\xa2\x66\x66\x93"
_MEASURE = b"\x26\x19\x80\x00\xa2\x66\x66\x93"

_SERIAL_WORDS = const(3)
_IDLE_MS = const(5)
_CONDITION_S = const(9)  # of the ten: whoever is woken late is still in time
_MEASURE_MS = const(55)
_STUCK = (0, 0xFFFF)


def open(entry: "dict[str, Any]", bus: "I2C", clock: "Clock") -> "Sgp41":
    return Sgp41(Words(bus, entry["address"], clock), entry["period_s"], clock)


class Sgp41:
    """One part, read every `period_s` seconds."""

    def __init__(self, part: Words, period_s: int, clock: "Clock") -> None:
        self._part = part
        self._period_ms = max(1, period_s) * 1000
        self._clock = clock

    async def run(self, out: "Output") -> None:
        """Read for ever; a part that is absent or says nonsense raises."""
        await self._start()
        await read_for_ever(self._measure, out, self._period_ms, self._clock)

    async def _start(self) -> None:
        part = self._part
        # It may be conditioning since before a reset of the node
        await part.tell(_HEATER_OFF, _IDLE_MS)
        if not any(await part.ask(_SERIAL, _SERIAL_WORDS)):
            raise SensorFault(FAULT_IMPLAUSIBLE)
        started = self._clock.ticks_ms()
        try:
            for _ in range(_CONDITION_S):
                await part.tell(_CONDITION, 1000)
                if self._clock.ticks_diff(self._clock.ticks_ms(), started) > 1000 * _CONDITION_S:
                    break
        finally:  # whatever stops it, a measurement ends the conditioning; its value, the first, is to be thrown away
            await part.tell(_MEASURE, 1000)

    async def _measure(self, out: "Output") -> None:
        words = await self._part.ask(_MEASURE, 2, _MEASURE_MS)
        voc, nox = words[0] << 8 | words[1], words[2] << 8 | words[3]
        if voc in _STUCK or nox in _STUCK:
            raise SensorFault(FAULT_IMPLAUSIBLE)
        out.reading(_VOC, voc)
        out.reading(_NOX, nox)
