"""What the I2C bus answers to the air parts whose drivers are ours: readings that can be, faults, documented ends.

The first byte of an input says which part it is, the rest is what the bus answers, read by read.
"""

import asyncio
import struct

from firmware.fakes import Output, SelfRunningClock
from firmware.sensirion_chip import words

from busio import I2C
from node.errors import SensorFault
from sensors import ens160, scd41, sgp41, sps30

# Driver, and what its readings can be by channel
PARTS = (
    (scd41, {7: (200, 40000)}),
    (sps30, {4: (0, 10000), 5: (0, 10000), 6: (0, 10000)}),
    (ens160, {8: (0, 65000)}),
    (sgp41, {9: (1, 65534), 10: (1, 65534)}),
)


class Over(Exception):
    """The input is at its end."""


class _Bus:
    """A machine.I2C that takes everything and answers with the input."""

    def __init__(self, data):
        self._data = data
        self._at = 0

    def writeto(self, _address, data, _stop=True):
        return len(data)

    def readfrom_mem_into(self, address, _register, buffer):
        self.readfrom_into(address, buffer)

    def readfrom_into(self, _address, buffer):
        if self._at + len(buffer) > len(self._data):
            raise Over()
        buffer[:] = self._data[self._at : self._at + len(buffer)]
        self._at += len(buffer)


def one_input(data):
    driver, possible = PARTS[data[0] % len(PARTS)] if data else PARTS[0]
    clock, out = SelfRunningClock(), Output()
    part = driver.open({"address": 0x40, "period_s": 10}, I2C(_Bus(data[1:]), clock), clock)
    try:
        asyncio.run(part.run(out))
        raise AssertionError("a driver that has stopped")
    except (Over, OSError, SensorFault):
        pass
    for channel, scaled in out.readings:
        low, high = possible[channel]
        if not low <= scaled <= high:
            raise AssertionError("a reading that cannot be")
    return bool(out.readings)


def seeds():
    serial, ready, waiting = words(b"\x12\x34\x56\x78\x9a\xbc"), words(b"\x80\x06"), words(b"\x80\x00")
    co2 = b"\x00" + serial + waiting + (ready + words(b"\x01\xf4")) * 2
    status = words(bytes(4))
    masses = words(struct.pack(">4f", 5.1, 7.3, 8.6, 9.8))
    particles = b"\x01" + words(b"00080000") + words(b"\x00\x00") + (words(b"\x00\x01") + status + masses) * 2
    vapours = b"\x02" + b"\x60\x01" * 2 + b"\x00" * 2 + b"\x86\x01\x2c\x01\x80\x01\x2c\x01\x84\x01\x2c\x01" * 2
    vapours += b"\x80\x02\x2c\x01" * 2
    ticks = b"\x03" + serial + words(b"\x64\x78\x3d\x28") * 2
    return [co2, particles, vapours, ticks]
