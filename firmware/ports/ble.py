"""Bluetooth LE, ears only: which addresses advertise nearby. Nothing is sent, no packet's content is looked at.

On the ESP32 port events come from a thread of the Bluetooth stack, between two bytecodes of ours. So the handler
allocates nothing and only moves an address into a ring that it alone fills and only `take` empties. An address is
there until it is taken, or until the next `scan` or `down`. A full ring loses what comes: whoever advertises does it
again.
"""

from bluetooth import BLE
from micropython import const

RECORD = 7  # bytes: address type, address

_SLOTS = const(64)
_IRQ_SCAN_RESULT = const(5)
_IRQ_SCAN_DONE = const(6)
# Half of the time: the rest is the Wi-Fi's, which shares the antenna
_INTERVAL_US = const(100000)
_WINDOW_US = const(50000)


class Scanner:
    """The chip's radio as a passive scanner. `done`: it does not scan (any more)."""

    def __init__(self) -> None:
        self._ble = BLE()
        self._ring = bytearray(RECORD * _SLOTS)
        self._put = 0  # of the handler
        self._got = 0  # of take
        self.done = True

    def up(self) -> None:
        """Switch it on. OSError when the stack does not start."""
        self._ble.active(True)
        self._ble.irq(self._heard)  # type: ignore[arg-type]  # the stubs take all data for memoryviews

    def down(self) -> None:
        """Switch it off and forget what was not taken."""
        self._ble.irq(None)  # type: ignore[arg-type]  # nor do they know of None
        self._ble.active(False)
        self.done = True
        self._forget()

    def scan(self, duration_ms: int) -> None:
        """Listen for so long, without asking anybody anything. OSError when it cannot."""
        self._forget()
        self.done = False
        self._ble.gap_scan(duration_ms, _INTERVAL_US, _WINDOW_US, False)

    def take(self, record: bytearray) -> bool:
        """Move the oldest address into `record` (RECORD bytes); False when there is none."""
        if self._got == self._put:
            return False
        at = self._got * RECORD
        ring = self._ring
        for i in range(RECORD):
            record[i] = ring[at + i]
            ring[at + i] = 0
        self._got = (self._got + 1) % _SLOTS
        return True

    def _heard(self, event: int, data: "tuple[int, memoryview, int, int, memoryview]") -> None:
        if event == _IRQ_SCAN_DONE:
            self.done = True
        elif event == _IRQ_SCAN_RESULT:
            following = (self._put + 1) % _SLOTS
            if following == self._got:
                return
            at = self._put * RECORD
            ring = self._ring
            address = data[1]
            ring[at] = data[0]
            for i in range(RECORD - 1):
                ring[at + 1 + i] = address[i]
            self._put = following

    def _forget(self) -> None:
        self._got = self._put
        for i in range(len(self._ring)):
            self._ring[i] = 0
