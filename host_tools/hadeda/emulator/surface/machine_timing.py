"""`machine.WDT` and `machine.Timer`."""

import struct
import _wire
import opcodes


class WDT:
    """The host counts board time and resets the board when nobody feeds."""

    def __init__(self, id=0, timeout=5000):
        if id != 0:
            raise ValueError("WDT doesn't exist")
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        _wire.request(opcodes.WDT_START, struct.pack("<I", timeout))

    def feed(self):
        _wire.request(opcodes.WDT_FEED)


class Timer:
    """Settings only: callbacks need interrupts, which are not emulated (the firmware runs on asyncio)."""

    ONE_SHOT, PERIODIC = 0, 1

    def __init__(self, number, **settings):
        self._number = number
        self._mode = 0
        self._period = 0
        if settings:
            self.init(**settings)

    def init(self, *, mode=1, period=-1, freq=-1, tick_hz=1000, hard=False, callback=None):
        if callback is not None:
            raise NotImplementedError("timer callbacks are not emulated")
        self._mode = mode
        self._period = period

    def deinit(self):
        pass

    def value(self):
        return 0

    def __repr__(self):
        return "Timer(%d, mode=%s, period=%d)" % (self._number, "PERIODIC" if self._mode else "ONE_SHOT", self._period)
