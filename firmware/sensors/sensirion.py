"""How Sensirion's parts speak on I2C: commands of 16 bits, answers in words of 16 bits, a CRC-8 after each word.

A part takes its time to answer, and the node does something else meanwhile: command and answer are two transactions.
The CRC (polynomial 0x31, from 0xff on, not reflected) is in every one of their data sheets.
"""

from micropython import const

from envelope.labels import FAULT_BAD_FRAME
from node.errors import SensorFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from busio import I2C
    from ports.clock import Clock

_TRANSFER_MS = const(50)
_POLYNOMIAL = const(0x31)


def crc8(data: "bytes | bytearray", at: int) -> int:
    """The CRC of the two bytes at `at`."""
    crc = 0xFF
    for i in (at, at + 1):
        crc ^= data[i]
        for _ in range(8):
            crc = (crc << 1 ^ (_POLYNOMIAL if crc & 0x80 else 0)) & 0xFF
    return crc


class Words:
    """A part at `address`. OSError when it does not acknowledge, which it does not while it is busy."""

    def __init__(self, bus: "I2C", address: int, clock: "Clock") -> None:
        self._bus = bus
        self._address = address
        self._clock = clock

    async def tell(self, command: bytes, busy_ms: int) -> None:
        """Send a command with its words and their CRCs, and give the part its time."""
        self._bus.allow(_TRANSFER_MS, 1)
        self._bus.writeto(self._address, command)
        await self._clock.sleep_ms(busy_ms + 1)  # it may be short by a part of a tick

    async def ask(self, command: bytes, count: int, busy_ms: int = 5) -> bytearray:
        """The first `count` words of the answer, two bytes each; FAULT_BAD_FRAME when a CRC is wrong."""
        await self.tell(command, busy_ms)
        answer = bytearray(3 * count)
        self._bus.allow(_TRANSFER_MS, 1)
        self._bus.readfrom_into(self._address, answer)
        words = bytearray()
        for at in range(0, len(answer), 3):
            if crc8(answer, at) != answer[at + 2]:
                raise SensorFault(FAULT_BAD_FRAME)
            words += answer[at : at + 2]
        return words
