"""`machine.UART`: what the parts on the host's serial lines say and hear."""

import errno
import io
import struct
import _wire
import opcodes
from _boot_info import info
from time import ticks_add, ticks_diff, ticks_ms

_FLUSH, _CLOSE = 1, 4  # stream requests
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
        wanted = len(buffer) if count is None else min(count, len(buffer))
        data = self.read(wanted) if self._settings["timeout"] else self._take(wanted)
        if not data:
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
