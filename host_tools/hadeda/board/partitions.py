"""What is where in a board's flash: the partition table of a stock MicroPython image, and ours.

Source of the stock one: `esp32.Partition.find` on a stock ESP32 v1.24.0 image (4 MiB); larger flashes give the rest to
the file system. Tables of later releases end behind `factory` (the port's partitions-4MiBplus.csv): MicroPython makes
`vfs` of the rest of the flash by itself; that it leaves that to a table which has one, as ours, was not seen.

Ours takes the last two sectors from the file system's end for the node's keys: in the file system an overwritten value
stays readable until littlefs comes round to its block, in a partition of its own a sector is erased.
The two slots of firmware are folders of the file system: `.mpy` files need no partition.

In flash a table is rows of 32 bytes and their MD5 (ESP-IDF programming guide, "Partition Tables").
"""

import hashlib
import struct
from typing import Final, NamedTuple

TYPE_APP, TYPE_DATA = 0, 1
SUBTYPE_FACTORY, SUBTYPE_PHY, SUBTYPE_NVS, SUBTYPE_FAT = 0, 1, 2, 129
SUBTYPE_KEYS = 0x40  # 0x40 to 0xFE are an application's own (ESP-IDF, "Partition Tables")
FILES, KEYS = "vfs", "node_keys"
TABLE_AT: Final = 0x8000
TABLE_SIZE: Final = 0x1000
_ROW: Final = struct.Struct("<HBBII16sI")
_MAGIC: Final = 0x50AA
_DIGEST_MARK: Final = b"\xeb\xeb" + b"\xff" * 14
_ENCRYPTED: Final = 1
KEYS_SIZE = 0x2000  # two sectors: while one is written, the other still holds the record


class Partition(NamedTuple):
    """One row, in the order `esp32.Partition.info()` gives; address and size in bytes."""

    type: int
    subtype: int
    address: int
    size: int
    label: str
    encrypted: bool = False


def stock(flash_mb: int) -> list[Partition]:
    """The stock table for a flash of so many MiB."""
    files = 0x200000
    return [
        Partition(TYPE_DATA, SUBTYPE_NVS, 0x9000, 0x6000, "nvs"),
        Partition(TYPE_DATA, SUBTYPE_PHY, 0xF000, 0x1000, "phy_init"),
        Partition(TYPE_APP, SUBTYPE_FACTORY, 0x10000, 0x1F0000, "factory"),
        Partition(TYPE_DATA, SUBTYPE_FAT, files, flash_mb * 0x100000 - files, FILES),
    ]


def hadeda(flash_mb: int) -> list[Partition]:
    """Our table: the stock one, its file system 8 KB shorter, and the key partition behind it."""
    *others, files = stock(flash_mb)
    files = files._replace(size=files.size - KEYS_SIZE)
    return [*others, files, Partition(TYPE_DATA, SUBTYPE_KEYS, files.address + files.size, KEYS_SIZE, KEYS)]


def find(table: list[Partition], label: str) -> Partition:
    """The row of that label, which must be there."""
    return next(row for row in table if row.label == label)


def to_bytes(table: list[Partition]) -> bytes:
    """The table as it lies in flash, a whole sector."""
    rows = b"".join(
        _ROW.pack(_MAGIC, row.type, row.subtype, row.address, row.size, row.label.encode(), row.encrypted)
        for row in table
    )
    return (rows + _DIGEST_MARK + hashlib.md5(rows).digest()).ljust(TABLE_SIZE, b"\xff")


def from_bytes(sector: bytes) -> list[Partition]:
    """The table that `sector` begins with; raises ValueError where there is none, or a damaged one."""
    table: list[Partition] = []
    for at in range(0, min(len(sector), TABLE_SIZE) - _ROW.size + 1, _ROW.size):
        row = sector[at : at + _ROW.size]
        if row.startswith(_DIGEST_MARK):
            if not table:
                raise ValueError("it is empty")
            if row[16:] != hashlib.md5(sector[:at]).digest():
                raise ValueError("its MD5 is wrong")
            return table
        magic, kind, subtype, address, size, label, flags = _ROW.unpack(row)
        if magic != _MAGIC:
            raise ValueError("no partition table" if not table else "it has no end")
        name = label.split(b"\0")[0].decode("ascii", "replace")
        table.append(Partition(kind, subtype, address, size, name, bool(flags & _ENCRYPTED)))
    raise ValueError("it has no end" if table else "no partition table")
