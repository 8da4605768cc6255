"""What is typed on the serial port while the node has it: lines, never more than fits, and nothing that interrupts."""

import select
import sys

from micropython import const

_LINE_MAX = const(240)
_READ_MAX = const(260)  # at a time: so much the port keeps until it is read


class Lines:
    """Ends of lines are CR and LF. What is longer than a line may be, is none."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)
        self._typed = bytearray()

    def next(self) -> bytes:
        """A line that has ended, b"" while there is none."""
        typed = self._typed
        for _ in range(_READ_MAX):
            if not self._poll.poll(0):
                break
            byte = sys.stdin.buffer.read(1)
            if byte in (b"\r", b"\n"):
                self._typed = bytearray()
                if 0 < len(typed) <= _LINE_MAX:
                    return bytes(typed)
                typed = self._typed
            elif byte and len(typed) <= _LINE_MAX:
                typed.extend(byte)
        return b""
