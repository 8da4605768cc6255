"""The board's watchdog: resets it when a program that started it has not fed it in time."""

import struct
from collections.abc import Callable

from hadeda.emulator.surface import opcodes


class Watchdog:
    """Counts board time (`now_us`). Survives a soft reset, ends with any other."""

    def __init__(self, now_us: Callable[[], int]) -> None:
        self._now_us = now_us
        self._timeout_us: int | None = None
        self._due_us = 0

    @property
    def due_us(self) -> int | None:
        """When it will bite; None: it does not run."""
        return None if self._timeout_us is None else self._due_us

    @property
    def starved(self) -> bool:
        return self._timeout_us is not None and self._now_us() >= self._due_us

    def stop(self) -> None:
        """A reset ends it."""
        self._timeout_us = None

    def _start(self, payload: bytes) -> bytes:
        self._timeout_us = struct.unpack("<I", payload)[0] * 1000
        return self._feed(b"")

    def fed(self, at_us: int) -> None:
        """The program fed it at that moment."""
        self._due_us = at_us + (self._timeout_us or 0)

    def _feed(self, _: bytes) -> bytes:
        self.fed(self._now_us())
        return b""

    def handlers(self) -> dict[int, Callable[[bytes], bytes]]:
        """Opcode -> what answers it."""
        return {opcodes.WDT_START: self._start, opcodes.WDT_FEED: self._feed}
