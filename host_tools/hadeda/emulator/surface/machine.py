"""`machine` of the ESP32 port, as far as a sensor node uses it."""

import errno
import io
import struct
import _wire
import opcodes
from _boot_info import info
from machine_timing import Timer, WDT
from time import ticks_add, ticks_diff, ticks_ms
from time import sleep_us as _sleep_us

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
PIN_WAKE = EXT0_WAKE = 2
EXT1_WAKE, TIMER_WAKE, TOUCHPAD_WAKE, ULP_WAKE = 3, 4, 5, 6
SLEEP, DEEPSLEEP = 2, 4
_FLUSH, _CLOSE = 1, 4  # stream requests


def reset_cause():
    return info["reset_cause"]


def wake_reason():
    return info["wake_reason"]


def unique_id():
    return bytes(info["unique_id"])


def freq(hz=None):
    if hz is None:
        return info["freq"]
    if hz not in (20000000, 40000000, 80000000, 160000000, 240000000):
        raise ValueError("frequency must be 20MHz, 40MHz, 80Mhz, 160MHz or 240MHz")
    info["freq"] = hz
    return None


def reset():
    _wire.request(opcodes.EXIT, struct.pack("<BQB", opcodes.EXIT_HARD, 0, 0))


def soft_reset():
    raise SystemExit


def deepsleep(ms=None):
    us = 1 << 50 if ms is None else ms * 1000
    _wire.request(opcodes.EXIT, struct.pack("<BQB", opcodes.EXIT_DEEPSLEEP, us, 0))


def lightsleep(ms=0):
    _sleep_us(ms * 1000)


sleep = lightsleep


def idle():
    _sleep_us(100)


def disable_irq():
    return 0


def enable_irq(state):
    pass


def bitstream(pin, encoding, timing, data):
    """Takes the time that the bits take on the wire; nothing listens."""
    if encoding:
        raise ValueError("encoding")
    high_0, low_0, high_1, low_1 = timing  # ns
    ones = sum(bin(byte).count("1") for byte in bytes(data))
    _sleep_us((ones * (high_1 + low_1) + (len(data) * 8 - ones) * (high_0 + low_0)) // 1000)


def time_pulse_us(pin, level, timeout_us=1000000):
    """No pulses are modelled: waits its time out. -2: the wait for the start of the pulse timed out."""
    _sleep_us(timeout_us)
    return -2 if pin.value() != level else -1


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
        """Pin interrupts are not modelled: nothing in the world of an emulated street pulls a bare pin."""
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


class SoftI2C:
    _name = "SoftI2C("

    def __init__(self, scl, sda, *, freq=400000, timeout=50000):
        self._setup(scl, sda, freq)

    init = __init__

    def _setup(self, scl, sda, freq):
        self._scl = Pin(scl)._number
        self._sda = Pin(sda)._number
        self._freq = freq
        self._head = struct.pack("<BBI", self._scl, self._sda, freq)

    def __repr__(self):
        # The software bus waits whole microseconds a half bit and says what that comes to.
        return "%sscl=%d, sda=%d, freq=%d)" % (self._name, self._scl, self._sda, 500000)

    def scan(self):
        found = []
        for address in range(0x08, 0x78):
            try:
                self.writeto(address, b"")
                found.append(address)
            except OSError:
                pass
        return found

    def writeto(self, address, data, stop=True):
        head = self._head + bytes((address, 1 if stop else 0))
        _wire.request(opcodes.I2C_WRITE, head + bytes(data))
        return len(data)

    def writevto(self, address, vector, stop=True):
        return self.writeto(address, b"".join([bytes(part) for part in vector]), stop)

    def readfrom(self, address, count, stop=True):
        head = self._head + bytes((address, 1 if stop else 0))
        return bytes(_wire.request(opcodes.I2C_READ, head + struct.pack("<H", count)))

    def readfrom_into(self, address, buffer, stop=True):
        buffer[:] = self.readfrom(address, len(buffer), stop)

    def _register(self, register, addrsize):
        return register.to_bytes(addrsize // 8, "big")

    def readfrom_mem(self, address, register, count, *, addrsize=8):
        self.writeto(address, self._register(register, addrsize), False)
        return self.readfrom(address, count)

    def readfrom_mem_into(self, address, register, buffer, *, addrsize=8):
        buffer[:] = self.readfrom_mem(address, register, len(buffer), addrsize=addrsize)

    def writeto_mem(self, address, register, data, *, addrsize=8):
        self.writeto(address, self._register(register, addrsize) + bytes(data))

    def start(self):
        raise OSError(errno.EOPNOTSUPP)  # bit-level access is not modelled

    stop = start

    def readinto(self, buffer, nack=True):
        raise OSError(errno.EOPNOTSUPP)

    write = readinto


class I2C(SoftI2C):
    def __init__(self, number=-1, *, scl=None, sda=None, freq=400000, timeout=50000):
        if number not in info["i2c_ids"]:
            raise ValueError("I2C(%d) doesn't exist" % number)
        self._number = number
        default = info["i2c_defaults"][number]
        self._setup(default[0] if scl is None else scl, default[1] if sda is None else sda, freq)

    init = __init__

    def __repr__(self):
        # The controller divides its source clock: what it reaches is not quite what was asked.
        actual = 416666 if self._freq == 400000 else self._freq
        return "I2C(%d, scl=%d, sda=%d, freq=%d)" % (self._number, self._scl, self._sda, actual)


_UART_SHOWN = ("tx", "rx", "txbuf", "rxbuf", "timeout", "timeout_char")


class UART(io.IOBase):
    INV_TX, INV_RX, INV_RTS, INV_CTS = 32, 4, 64, 8
    RTS, CTS = 1, 2
    IRQ_RX, IRQ_BREAK, IRQ_RXIDLE = 1, 2, 4096

    def __init__(self, number, baudrate=115200, bits=8, parity=None, stop=1, **settings):
        if number not in info["uart_ids"]:
            raise ValueError("UART(%d) does not exist" % number)
        self._number = number
        self._settings = {"tx": -1, "rx": -1, "txbuf": 256, "rxbuf": 256, "timeout": 0, "timeout_char": 0}
        self.init(baudrate, bits, parity, stop, **settings)

    def init(self, baudrate=115200, bits=8, parity=None, stop=1, **settings):
        for name in settings:
            if name not in ("tx", "rx", "rts", "cts", "txbuf", "rxbuf", "timeout", "timeout_char", "invert", "flow"):
                raise TypeError("extra keyword arguments given")
        own = self._settings
        own.update(settings)
        own["tx"] = getattr(own["tx"], "_number", own["tx"])
        own["rx"] = getattr(own["rx"], "_number", own["rx"])
        self._frame = (baudrate, bits, parity, stop)
        pins = struct.pack("<bb", own["tx"], own["rx"])
        payload = bytes((self._number,)) + pins + struct.pack("<IH", baudrate, own["rxbuf"])
        _wire.request(opcodes.UART_OPEN, payload)

    def __repr__(self):
        own = self._settings
        return (
            "UART(%d, baudrate=%d, bits=%d, parity=%s, stop=%d, tx=%d, rx=%d, rts=-1, cts=-1, "
            "txbuf=%d, rxbuf=%d, timeout=%d, timeout_char=%d, irq=0)"
        ) % ((self._number,) + self._frame + tuple(own[name] for name in _UART_SHOWN))

    def any(self):
        return struct.unpack("<H", _wire.request(opcodes.UART_ANY, bytes((self._number,))))[0]

    def _take(self, count):
        return _wire.request(opcodes.UART_READ, struct.pack("<BH", self._number, count))

    def read(self, count=-1):
        wanted = 0xFFFF if count < 0 else count
        deadline = ticks_add(ticks_ms(), self._settings["timeout"])
        data = bytes(self._take(wanted))
        while len(data) < wanted and ticks_diff(deadline, ticks_ms()) > 0:
            left = ticks_diff(deadline, ticks_ms())
            _wire.sleep_us(left * 1000, 0xFFFFFFFF & ~(1 << self._number))
            data += bytes(self._take(wanted - len(data)))
        return data or None

    def readinto(self, buffer, count=None):
        data = self.read(len(buffer) if count is None else min(count, len(buffer)))
        if data is None:
            return None
        buffer[: len(data)] = data
        return len(data)

    def readline(self):
        line = b""
        while not line.endswith(b"\n"):
            data = self.read(1)
            if data is None:
                break
            line += data
        return line or None

    def write(self, data):
        _wire.request(opcodes.UART_WRITE, bytes((self._number,)) + bytes(data))
        return len(data)

    def ioctl(self, request, argument):
        if request == 3:  # poll: there is always room to write
            return argument & (4 | (_wire.ready() >> self._number & 1))
        return 0 if request in (_FLUSH, _CLOSE) else -errno.EINVAL  # above all, it has no file descriptor

    def txdone(self):
        return True

    def flush(self):
        pass

    def deinit(self):
        pass

    def sendbreak(self):
        pass

    def irq(self, handler=None, trigger=0, hard=False):
        raise NotImplementedError("UART interrupts are not emulated")


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


class RTC:
    def datetime(self, fields=None):
        import time

        if fields is None:
            nanoseconds = time.time_ns()
            year, month, day, hour, minute, second, weekday, _ = time.gmtime(nanoseconds // 1000000000)
            return (year, month, day, weekday, hour, minute, second, nanoseconds // 1000 % 1000000)
        year, month, day, _, hour, minute, second, micros = fields
        seconds = time.mktime((year, month, day, hour, minute, second, 0, 0))
        _wire.request(opcodes.RTC_SET, struct.pack("<qI", seconds, micros))
        return None

    def init(self, fields):
        self.datetime(fields)

    def memory(self, data=None):
        if data is None:
            return bytes(_wire.request(opcodes.RTC_MEMORY_GET))
        if len(data) > 2048:
            raise ValueError("buffer too long")
        _wire.request(opcodes.RTC_MEMORY_SET, bytes(data))
        return None
