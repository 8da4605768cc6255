"""`machine.Pin`, `machine.Signal` and `machine.ADC`."""

import struct
import _wire
import opcodes
from _boot_info import info


class Pin:
    class board:
        """Names a board gives its pins: generic images know none."""

    IN, OUT, OPEN_DRAIN = 1, 3, 7
    PULL_DOWN, PULL_UP = 1, 2
    IRQ_RISING, IRQ_FALLING, WAKE_LOW, WAKE_HIGH = 1, 2, 4, 5
    DRIVE_0, DRIVE_1, DRIVE_2, DRIVE_3 = 0, 1, 2, 3

    def __init__(self, number, mode=-1, pull=-1, *, value=None, drive=None, hold=None):
        number = getattr(number, "_number", number)
        if number not in info["gpios"]:
            raise ValueError("invalid pin")
        self._number = number
        self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, *, value=None, drive=None, hold=None):
        if mode in (self.OUT, self.OPEN_DRAIN) and self._number in info["input_only"]:
            raise ValueError("pin can only be input")
        if value is not None:
            self.value(value)
        if mode == self.IN:
            _wire.request(opcodes.PIN_INPUT, bytes((self._number, pull if pull and pull > 0 else 0)))

    def value(self, level=None):
        if level is None:
            return _wire.request(opcodes.PIN_READ, bytes((self._number,)))[0]
        _wire.request(opcodes.PIN_WRITE, bytes((self._number, 1 if level else 0)))
        return None

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def irq(self, handler=None, trigger=3, wake=None):
        """Pin interrupts are not modelled: what is on a bare pin is looked at."""
        raise NotImplementedError("pin interrupts are not emulated")

    def __repr__(self):
        return "Pin(%d)" % self._number


class Signal:
    def __init__(self, pin, invert=False):
        self._pin = pin
        self._invert = invert

    def value(self, level=None):
        if level is None:
            return self._pin.value() ^ self._invert
        return self._pin.value(bool(level) ^ self._invert)

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)


class ADC:
    ATTN_0DB, ATTN_2_5DB, ATTN_6DB, ATTN_11DB = 0, 1, 2, 3
    WIDTH_9BIT, WIDTH_10BIT, WIDTH_11BIT, WIDTH_12BIT = 9, 10, 11, 12

    def __init__(self, pin, *, atten=0):
        self._pin = Pin(pin)
        self._atten = atten

    def init(self, *, atten=0):
        self._atten = atten

    def atten(self, atten):
        self._atten = atten

    def width(self, bits):
        pass

    def read_u16(self):
        return struct.unpack("<H", _wire.request(opcodes.ADC_READ, bytes((self._pin._number,))))[0]

    def read(self):
        return self.read_u16() >> 4

    def read_uv(self):
        full_uv = (950000, 1250000, 1750000, 2450000)[self._atten]
        return self.read_u16() * full_uv // 65535

    def block(self):
        raise NotImplementedError("ADCBlock is not emulated")

    def __repr__(self):
        return "ADC(%r, atten=%d)" % (self._pin, self._atten)
