"""Combs of the city's keys, which provisioning leaves on the flash: a letter is checked in less than half the time.

A comb is as good as the key it stands for: one made for another point lets that point's owner sign. The hash of a file
is against damage, not against a thief who writes to the flash: he needs no comb to make the node obey him, for the
firmware and, on a stock partition table, the keys lie beside it. What comes by radio cannot write here.

A key that a command brings has no comb until the next visit with a cable: its signatures take longer to check.
"""

from binascii import hexlify
from hashlib import sha256

from micropython import const

from envelope import heap, keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ports.flash import Files

FOLDER = "/combs"
_TABLE_SIZE = const(4096)
_DIGEST_SIZE = const(8)


def read(files: "Files", public: bytes) -> bytes:
    """The comb of a public key, with its digest behind it; empty where there is none, it is damaged or finds no room.

    A file is the table and the first 8 bytes of SHA-256 over key and table.
    """
    heap.fill_holes()  # for the check that follows, too
    try:
        data = files.read(FOLDER + "/" + hexlify(keys.thumbprint(public)[:8]).decode())
    except MemoryError:
        return b""
    if data is None or len(data) != _TABLE_SIZE + _DIGEST_SIZE:
        return b""
    digest = sha256(public)
    digest.update(memoryview(data)[:_TABLE_SIZE])
    return data if digest.digest()[:_DIGEST_SIZE] == data[_TABLE_SIZE:] else b""


def reader(files: "Files") -> "Callable[[bytes], bytes]":
    """read() of these files."""
    return lambda public: read(files, public)
