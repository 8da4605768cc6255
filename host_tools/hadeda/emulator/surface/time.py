"""`time` of the ESP32 port: epoch 2000-01-01; sleeps and ticks follow the board's clock, real or virtual."""

import utime
import _host
import _wire
from _boot_info import info
from utime import ticks_add, ticks_cpu, ticks_diff

_UNIX_2000 = 946684800


if info["real_time"]:
    ticks_ms = utime.ticks_ms
    ticks_us = utime.ticks_us
else:
    ticks_ms = _host.ticks_ms
    ticks_us = _host.ticks_us


def _now():
    if info["real_time"]:
        _wire.request_time()
    return _wire.clock()


def time():
    return _now()[2]


def time_ns():
    _, _, seconds, micros = _now()
    return (seconds * 1000000 + micros) * 1000


def gmtime(seconds=None):
    if seconds is None:
        seconds = time()
    return utime.gmtime(int(seconds) + _UNIX_2000)[:8]


localtime = gmtime


def _leap_days(year):
    return year // 4 - year // 100 + year // 400


def mktime(fields):
    """Seconds since 2000-01-01 of a (year, month, day, hour, minute, second, ...) tuple."""
    year, month = fields[0], fields[1]
    days = fields[2] - 1 + (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)[(month - 1) % 12]
    year += (month - 1) // 12
    days += (year - 2000) * 365 + _leap_days(year - 1) - _leap_days(1999)
    if (month - 1) % 12 >= 2 and (year % 4 == 0 and (year % 100 or year % 400 == 0)):
        days += 1
    return ((days * 24 + fields[3]) * 60 + fields[4]) * 60 + fields[5]


def sleep(seconds):
    _wire.sleep_us(max(0, int(seconds * 1000)) * 1000)


def sleep_ms(ms):
    _wire.sleep_us(max(0, ms) * 1000)


def sleep_us(us):
    _wire.sleep_us(max(0, us))
