"""What a node has sealed, read off its flash as it is written: the simulation's own truth, which asks no node.

A sealed report is found by its first bytes, which are the same in all of them (DESIGN section 5: tag 16, an array of
three, the protected header). It counts once the board has come to rest after writing it: then it is stored, whatever
happens next. Nothing here knows how the outbox lays out its files, only that a report stands in a sector in one piece.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

from hadeda.emulator.flash import SECTOR
from hadeda.envelope import labels, parse_sealed, strict_cbor
from hadeda.envelope.cose import ENCRYPT0_PROTECTED
from hadeda.errors import Rejected

Number = tuple[bytes, int]  # kid and partial IV
HEAD: Final = bytes([0xC0 | labels.TAG_ENCRYPT0, 0x83]) + bytes([0x40 | len(ENCRYPT0_PROTECTED)]) + ENCRYPT0_PROTECTED


class SealedInFlash:
    """`numbers` are those of the reports that were stored so far, `written` all sectors that were ever programmed.

    `late` counts those that were being written when the power failed, and turned out to be there. `read` reads the
    flash.
    """

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        self.numbers: dict[Number, None] = {}
        self.written: set[int] = set()
        self._read = read
        self.late = 0
        self._touched: set[int] = set()
        self._doubtful: set[Number] = set()

    def programmed(self, address: int, count: int) -> None:
        """This much of the flash is being programmed."""
        sectors = range(address // SECTOR, (address + count - 1) // SECTOR + 1)
        self._touched.update(sectors)
        self.written.update(sectors)

    def settle(self) -> None:
        """The board has come to rest: what it wrote is there."""
        for sector in sorted(self._touched):
            for number in found_in(self._read(sector * SECTOR, SECTOR)):
                self.late += number not in self.numbers and number in self._doubtful
                self.numbers[number] = None
        self._touched.clear()

    def forget(self) -> None:
        """The power failed before it came to rest: what it was writing counts for nothing, until it is seen again."""
        for sector in sorted(self._touched):
            self._doubtful.update(found_in(self._read(sector * SECTOR, SECTOR)))
        self._touched.clear()


def found_in(data: bytes) -> list[Number]:
    """The numbers of the whole sealed reports in `data`."""
    return [(message.kid, message.sequence) for message in map(parse_sealed, sealed_in(data))]


def sealed_in(data: bytes) -> Iterator[bytes]:
    """The whole sealed reports in `data`."""
    at = data.find(HEAD)
    while at >= 0:
        with contextlib.suppress(Rejected):
            _, size = strict_cbor.decode_first(data[at + 1 : at + SECTOR])
            sealed = data[at : at + 1 + size]
            parse_sealed(sealed)
            yield sealed
        at = data.find(HEAD, at + 1)
