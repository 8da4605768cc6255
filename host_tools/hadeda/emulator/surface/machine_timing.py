"""`machine.WDT` and `machine.Timer`."""

import struct
import sys
import _host
import _wire
import opcodes
from time import ticks_add, ticks_diff, ticks_ms


class WDT:
    """The host counts board time and resets the board when nobody feeds."""

    def __init__(self, id=0, timeout=5000):
        if id != 0:
            raise ValueError("WDT doesn't exist")
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        _wire.request(opcodes.WDT_START, struct.pack("<I", timeout))

    def feed(self):
        _host.feed()


class Alarms:
    """The timers that run. False while there are none."""

    _LONGEST_US = 300000000  # ticks_us wraps at 18 minutes

    def __init__(self):
        self._timers = []

    def __bool__(self):
        return bool(self._timers)

    def start(self, timer):
        self.stop(timer)
        self._timers.append(timer)

    def stop(self, timer):
        if timer in self._timers:
            self._timers.remove(timer)

    def next_us(self):
        now = ticks_ms()
        due = [ticks_diff(timer.due, now) * 1000 for timer in self._timers]
        return max(0, min(due + [self._LONGEST_US]))

    def ring(self):
        now = ticks_ms()
        for timer in list(self._timers):
            if ticks_diff(timer.due, now) <= 0:
                timer.ring()


_wire.alarms = alarms = Alarms()


class Timer:
    """Rings while the board sleeps, waits for input or polls; not in the middle of a computation, as silicon would."""

    ONE_SHOT, PERIODIC = 0, 1

    def __init__(self, number, **settings):
        self._number = number
        self._mode = 0
        self._period = 0
        self._callback = None
        if settings:
            self.init(**settings)

    def init(self, *, mode=1, period=-1, freq=-1, tick_hz=1000, hard=False, callback=None):
        if freq > 0:
            period = int(1000 / freq)
        elif period > 0:
            period = period * 1000 // tick_hz
        if period <= 0:
            raise ValueError("timer period or frequency is needed")
        self._mode = mode
        self._period = period
        self._callback = callback
        self.due = ticks_add(ticks_ms(), period)
        alarms.start(self)

    def ring(self):
        if self._mode == self.PERIODIC:
            self.due = ticks_add(self.due, self._period)
        else:
            alarms.stop(self)
        if self._callback is not None:
            try:
                self._callback(self)
            except Exception as error:
                sys.print_exception(error)

    def deinit(self):
        alarms.stop(self)

    def value(self):
        return self._period - max(0, ticks_diff(self.due, ticks_ms())) if self in alarms._timers else 0

    def __repr__(self):
        return "Timer(%d, mode=%s, period=%d)" % (self._number, "PERIODIC" if self._mode else "ONE_SHOT", self._period)
