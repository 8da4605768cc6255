"""The board's clocks: milliseconds that only rise, and the calendar in Unix time."""

import asyncio
import time

from machine import RTC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any

# The ESP32 port counts from 2000-01-01, others from 1970-01-01
_EPOCH_S = 946684800 if time.gmtime(0)[0] == 2000 else 0


class Clock:
    """ticks_ms wraps (at 2**30 on MicroPython): compare with ticks_diff only."""

    def ticks_ms(self) -> int:
        return time.ticks_ms()  # type: ignore[return-value]  # an int, whatever the stubs call it

    def ticks_diff(self, later: int, earlier: int) -> int:
        """Milliseconds between two ticks_ms less than six days apart."""
        return time.ticks_diff(later, earlier)

    def sleep_ms(self, milliseconds: int) -> "Awaitable[None]":
        return asyncio.sleep_ms(milliseconds)

    def within_ms(self, awaitable: "Awaitable[Any]", milliseconds: int) -> "Awaitable[Any]":
        """The awaitable's result, or asyncio.TimeoutError and the awaitable cancelled."""
        return asyncio.wait_for_ms(awaitable, milliseconds)

    def unix_ms(self) -> int:
        """Milliseconds since 1970 as far as the board knows."""
        return time.time_ns() // 1000000 + _EPOCH_S * 1000

    def unix_s(self) -> int:
        return time.time() + _EPOCH_S

    def set_unix_ms(self, milliseconds: int) -> None:
        """Set the calendar clock."""
        seconds, rest = divmod(milliseconds, 1000)
        t = time.gmtime(seconds - _EPOCH_S)
        RTC().datetime((t[0], t[1], t[2], t[6], t[3], t[4], t[5], rest * 1000))
