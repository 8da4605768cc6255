"""Deep sleep: RAM is gone after it, RTC memory and clock are not. Only nodes that sleep load this."""

from binascii import crc32

import machine
from micropython import const

from ports.power import SLOTS_SIZE, rtc_memory

_SUM = const(4)
_MAX = const(2048 - 32 - 4)  # behind the slots and the sum


def woke() -> bool:
    """Whether this is the end of a deep sleep."""
    return machine.reset_cause() == machine.DEEPSLEEP_RESET


def deep_sleep(milliseconds: int) -> None:
    """Sleep, and start anew after it."""
    machine.deepsleep(milliseconds)


def set_aside(data: bytes) -> None:
    """Keep up to 2012 bytes over a deep sleep."""
    if len(data) > _MAX:
        raise ValueError("too much for RTC memory")
    machine.RTC().memory(rtc_memory()[:SLOTS_SIZE] + crc32(data).to_bytes(_SUM, "big") + data)


def take_back() -> bytes:
    """What was set aside, once; b"" when nothing was, or it is damaged."""
    memory = rtc_memory()
    data = bytes(memory[SLOTS_SIZE + _SUM :])
    if data:
        machine.RTC().memory(memory[:SLOTS_SIZE])
    return data if crc32(data).to_bytes(_SUM, "big") == memory[SLOTS_SIZE : SLOTS_SIZE + _SUM] else b""
