"""The RTC domain: a clock and 2048 bytes of memory that live through resets and deep sleep, not without power."""

import struct
from collections.abc import Callable

from hadeda.emulator.surface import opcodes


class Rtc:
    """`now_us` is the board's time; `on_keep` is told of everything that is written to the memory."""

    def __init__(self, now_us: Callable[[], int]) -> None:
        self.on_keep: Callable[[bytes], None] | None = None
        self._now_us = now_us
        self.power_down()

    def power_down(self) -> None:
        """Without supply: the clock starts again at 2000-01-01, the memory is empty."""
        self.memory = b""
        self._zero_us = self._now_us()

    def time_us(self) -> int:
        """Microseconds since 2000-01-01, as the board believes."""
        return self._now_us() - self._zero_us

    def _set(self, payload: bytes) -> bytes:
        seconds, micros = struct.unpack("<qI", payload)
        self._zero_us = self._now_us() - (seconds * 1_000_000 + micros)
        return b""

    def _keep(self, payload: bytes) -> bytes:
        self.memory = payload
        if self.on_keep:
            self.on_keep(payload)
        return b""

    def handlers(self) -> dict[int, Callable[[bytes], bytes]]:
        """Opcode -> what answers it."""
        return {
            opcodes.RTC_SET: self._set,
            opcodes.RTC_MEMORY_GET: lambda _: self.memory,
            opcodes.RTC_MEMORY_SET: self._keep,
        }
