"""`machine` of the ESP32 port, as far as a sensor node uses it."""

import struct
import _wire
import opcodes
from _boot_info import info
from machine_i2c import I2C, SoftI2C
from machine_pins import ADC, Pin, Signal
from machine_timing import Timer, WDT
from machine_uart import UART
from time import sleep_us as _sleep_us

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
PIN_WAKE = EXT0_WAKE = 2
EXT1_WAKE, TIMER_WAKE, TOUCHPAD_WAKE, ULP_WAKE = 3, 4, 5, 6
SLEEP, DEEPSLEEP = 2, 4


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
    """Takes the time that the bits take on the wire."""
    if encoding:
        raise ValueError("encoding")
    high_0, low_0, high_1, low_1 = timing  # ns
    ones = sum(bin(byte).count("1") for byte in bytes(data))
    _sleep_us((ones * (high_1 + low_1) + (len(data) * 8 - ones) * (high_0 + low_0)) // 1000)
    _wire.request(opcodes.PIN_BITS, bytes((pin._number,)) + bytes(data))


def time_pulse_us(pin, level, timeout_us=1000000):
    """No pulses are modelled: waits its time out. -2: the wait for the start of the pulse timed out."""
    _sleep_us(timeout_us)
    return -2 if pin.value() != level else -1


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
