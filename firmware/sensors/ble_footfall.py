"""Footfall by Bluetooth LE: listens for five seconds out of ten, and passes each address on to be sketched.

Addresses go straight into node/footfall.py and nowhere else; names, services and signal strength are not looked at.
What the number means is written there and in boards/parts.toml. sensors/while_allowed.py loads this file, where the
board has the part, while the policy in force has footfall.
"""

from micropython import const

from envelope.labels import FAULT_NO_ANSWER
from node.errors import SensorFault
from ports.ble import RECORD, Scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from node.sample import Output
    from ports.clock import Clock

_LISTEN_MS = const(5000)
_PAUSE_MS = const(5000)
_POLL_MS = const(100)
# How much longer a scan may take than it was told to
_LATE_MS = const(1000)
# Addresses taken at a poll: one scanner's ring
_TAKEN_MAX = const(64)


def open(clock: "Clock") -> "BleFootfall":
    return BleFootfall(Scanner(), clock)


class BleFootfall:
    """The chip's own radio, listening."""

    def __init__(self, scanner: Scanner, clock: "Clock") -> None:
        self._scanner = scanner
        self._clock = clock
        self._record = bytearray(RECORD)
        self._address = memoryview(self._record)[1:]

    async def run(self, out: "Output") -> None:
        """Listen while it is wanted. SensorFault when a scan does not end, OSError when the radio does not start."""
        try:
            self._scanner.up()
            while out.footfall is not None:
                out.alive()
                await self._listen(out)
                if out.footfall is not None:
                    await self._clock.sleep_ms(_PAUSE_MS)
        finally:
            self._scanner.down()
            self._clear()

    async def _listen(self, out: "Output") -> None:
        self._scanner.scan(_LISTEN_MS)
        for _ in range((_LISTEN_MS + _LATE_MS) // _POLL_MS):
            await self._clock.sleep_ms(_POLL_MS)
            ended = self._scanner.done
            self._pass_on(out)
            if ended or out.footfall is None:
                return
        raise SensorFault(FAULT_NO_ANSWER)

    def _pass_on(self, out: "Output") -> None:
        for _ in range(_TAKEN_MAX):
            if not self._scanner.take(self._record):
                break
            out.device(self._record[0], self._address)
        self._clear()

    def _clear(self) -> None:
        for i in range(RECORD):
            self._record[i] = 0
