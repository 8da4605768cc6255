"""Combs of the city's keys, which provisioning leaves on the flash: a letter is checked in a third of the time.

A comb is as good as the key it stands for: one made for another point lets that point's owner sign. Nothing here is
against a thief who writes to the flash: he needs no comb to make the node obey him, for the firmware and, on a stock
partition table, the keys lie beside it. What comes by radio cannot write here. A damaged comb finds nothing valid, and
what a comb does not find valid is checked without it (envelope.ecdsa).

A key that a command brings has no comb until the next visit with a cable: its signatures take longer to check.
"""

from binascii import hexlify

from micropython import const

from envelope import heap, keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ports.flash import Files
    from ports.table import Table

FOLDER = "/combs"
_TABLES = const(2)
_TABLE_SIZE = const(4096)


def read(files: "Files", public: bytes) -> "tuple[Table, ...]":
    """The comb of a public key, left where it is; empty where there is none."""
    heap.fill_holes()  # for the check that follows, too
    return files.tables(FOLDER + "/" + hexlify(keys.thumbprint(public)[:8]).decode(), _TABLES, _TABLE_SIZE)


def reader(files: "Files") -> "Callable[[bytes], tuple[Table, ...]]":
    """read() of these files."""
    return lambda public: read(files, public)
