"""A driver at work on what an input says that its sensor says, a piece whenever the driver sleeps."""

import asyncio

from firmware.fakes import Clock, Output, Uart

# So often a driver sleeps before it has given up on a silent sensor, and told what it has seen
SILENT_SLEEPS = 150


class Over(Exception):
    """The input is at its end, and so is what it may have started."""


class _Clock(Clock):
    def __init__(self, uart, pieces):
        super().__init__()
        self._uart = uart
        self._pieces = pieces
        self._sleeps = 0

    async def sleep_ms(self, milliseconds):
        self.now_ms += milliseconds
        if self._sleeps < len(self._pieces):
            self._uart.arrive(self._pieces[self._sleeps])
        elif self._sleeps > len(self._pieces) + SILENT_SLEEPS:
            raise Over()
        self._sleeps += 1


def heard(part, entry, data):
    """The Output of a driver that heard `data`, whose first byte says how long the pieces are: 1 to 256 bytes."""
    size = 1 + (data[0] if data else 0)
    uart, out = Uart(), Output()
    clock = _Clock(uart, [data[at : at + size] for at in range(1, len(data), size)])
    try:
        asyncio.run(part.open(entry, uart, clock).run(out))
    except Over:
        return out
    raise AssertionError("a driver that has stopped")
