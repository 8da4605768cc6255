"""What a plain input reads, look by look: passages of pulses long enough, a documented fault, and nothing else.

The first byte of an input says which part it is, the bits of the others are what is read.
"""

import asyncio

from firmware.fakes import Output, SelfRunningClock

from envelope import labels
from node.errors import SensorFault
from sensors import hc_sr501, td136

# Driver, class, and how many looks a passage takes at least: the shortest pulse, and the rest after it
PARTS = ((td136, "vehicle", 12), (hc_sr501, "presence", 6))


class Over(Exception):
    """The input is at its end."""


class _Line:
    """A pin that reads the input."""

    def __init__(self, data):
        self._data = data
        self.looks = 0

    def high(self):
        at = self.looks >> 3
        if at == len(self._data):
            raise Over()
        level = self._data[at] >> (self.looks & 7) & 1
        self.looks += 1
        return bool(level)


def one_input(data):
    part, cls, least = PARTS[data[0] % len(PARTS)] if data else PARTS[0]
    line, clock, out = _Line(data[1:]), SelfRunningClock(), Output()
    try:
        asyncio.run(part.open({}, line, clock).run(out))
        raise AssertionError("a driver that has stopped")
    except Over:
        pass
    except SensorFault as fault:
        if fault.kind != labels.FAULT_NO_ANSWER:
            raise AssertionError("a fault that is not documented") from fault
    if set(out.passages) - {(cls, "either", 0)} or len(out.passages) * least > line.looks:
        raise AssertionError("a passage that cannot be")
    return bool(out.passages)


def seeds():
    second = b"\xff\xff\x0f"  # twenty looks
    return [
        b"\x00\x00" + (second + b"\x00") * 3,
        b"\x00\x00\xfe" + second + b"\x00\x55\xf5" + second + b"\x00",
        b"\x01\x00" + second * 3 + b"\x00\xf0\xff\x00",
    ]
