"""The sequence counter of an epoch: a number is spent before it is used, and never comes back.

Numbers are reserved in blocks: the limit of the block is in NVS before its first number is handed out. The exact
next number stands in RTC memory, which survives resets and deep sleep but not a power cut: after a power cut the
rest of the block is given up. A record that is missing or damaged in NVS is CounterLost, never a restart at 0; what
follows from it, and from a counter that is used up, is a new epoch (node/keychain.py).
"""

from binascii import crc32, hexlify

from micropython import const

from envelope.labels import EPOCH_MESSAGES_MAX
from node.errors import CounterLost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BLOCK = 64
_NUMBER_SIZE = const(6)


def _key(kid: bytes) -> str:
    # One record per epoch key, so that a new enrolment cannot damage the old one's counter
    return "seq" + hexlify(kid).decode()


def _pack(kid: bytes, number: int) -> bytes:
    body = kid + number.to_bytes(_NUMBER_SIZE, "big")
    return body + (crc32(body) & 0xFFFFFFFF).to_bytes(4, "big")


def _unpack(kid: bytes, record: "bytes | None") -> "int | None":
    """The number of a record of this kid, None when it is anything else."""
    if record is None or len(record) != len(kid) + _NUMBER_SIZE + 4:
        return None
    number = int.from_bytes(record[len(kid) : -4], "big")
    return number if _pack(kid, number) == record else None


def create(nvs: "Any", kid: bytes) -> None:
    """Start the counter of a key that has never been used."""
    nvs.set(_key(kid), _pack(kid, 0))


def forget(nvs: "Any", kid: bytes) -> None:
    """Erase the counter of a key that will never be used again."""
    nvs.erase(_key(kid))


class Counter:
    """The counter of the epoch with this kid. `nvs` has get and set, `retained` has read and write."""

    def __init__(self, nvs: "Any", retained: "Any", kid: bytes) -> None:
        self._nvs = nvs
        self._retained = retained
        self._kid = kid
        limit = _unpack(kid, nvs.get(_key(kid)))
        if limit is None:
            raise CounterLost("its sequence counter is missing or damaged")
        self._limit = limit
        exact = _unpack(kid, retained.read())
        self._next = exact if exact is not None and limit - BLOCK < exact <= limit else limit

    @property
    def spent(self) -> int:
        """How many numbers are spent: the next one. After a power cut the rest of a block counts as spent."""
        return self._next

    def spend(self) -> int:
        """Return the next number; it is spent in flash and in RTC memory before the caller sees it."""
        number = self._next
        if number >= EPOCH_MESSAGES_MAX:
            raise CounterLost("its sequence counter has run out")
        if number >= self._limit:
            self._nvs.set(_key(self._kid), _pack(self._kid, number + BLOCK))
            self._limit = number + BLOCK
        self._next = number + 1
        self._retained.write(_pack(self._kid, self._next))
        return number
