"""`busio` as CircuitPython drivers know it, thin over machine.I2C, with a deadline.

Drivers poll status bits in loops without an end; a chip that never clears its busy bit would hold the node for
ever. So every transaction checks the budget that the sensor's task set with `allow`.
"""

import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class I2C:
    """One bus. `i2c` is a machine.I2C, `clock` gives ticks_ms and ticks_diff."""

    def __init__(self, i2c: "Any", clock: "Any") -> None:
        self._i2c = i2c
        self._clock = clock
        self._locked = False
        self._started_ms = 0
        self._budget_ms = 0
        self._left = 0
        # The last OSError of the bus since `allow`: drivers turn it into errors of their own
        self.failure: OSError | None = None

    def allow(self, budget_ms: int, transactions: int) -> None:
        """From now on, at most so much time and so many transactions; beyond them OSError(ETIMEDOUT)."""
        self._locked = False
        self._started_ms = self._clock.ticks_ms()
        self._budget_ms = budget_ms
        self._left = transactions
        self.failure = None

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0 or self._clock.ticks_diff(self._clock.ticks_ms(), self._started_ms) > self._budget_ms:
            self.failure = OSError(errno.ETIMEDOUT)
            raise self.failure

    def _do(self, transfer: "Any", *what: "Any") -> None:
        try:
            transfer(*what)
        except OSError as error:
            self.failure = error
            raise

    def try_lock(self) -> bool:
        """True when the bus is ours. A driver spins on this, so the spinning is bounded as well."""
        if self._locked:
            self._spend()
            return False
        self._locked = True
        return True

    def unlock(self) -> None:
        self._locked = False

    def writeto(self, address: int, buffer: bytes, *, start: int = 0, end: "int | None" = None) -> None:
        self._spend()
        data = memoryview(buffer)[start : len(buffer) if end is None else end]
        self._do(self._i2c.writeto, address, data, True)

    def readfrom_into(self, address: int, buffer: bytearray, *, start: int = 0, end: "int | None" = None) -> None:
        self._spend()
        self._do(self._i2c.readfrom_into, address, memoryview(buffer)[start : len(buffer) if end is None else end])

    def writeto_then_readfrom(
        self,
        address: int,
        out_buffer: bytes,
        in_buffer: bytearray,
        *,
        out_start: int = 0,
        out_end: "int | None" = None,
        in_start: int = 0,
        in_end: "int | None" = None,
    ) -> None:
        """One transaction with a repeated start between its halves."""
        self._spend()
        out_end = len(out_buffer) if out_end is None else out_end
        in_end = len(in_buffer) if in_end is None else in_end
        into = memoryview(in_buffer)[in_start:in_end]
        if out_end - out_start == 1:  # a register's number, as nearly always: one call
            self._do(self._i2c.readfrom_mem_into, address, out_buffer[out_start], into)
            return
        self._do(self._i2c.writeto, address, memoryview(out_buffer)[out_start:out_end], False)
        self._do(self._i2c.readfrom_into, address, into)


class SPI:
    """Named by drivers that could also use SPI; Hadeda's sensors are on I2C and UART."""
