"""The partition table of a stock MicroPython image: what is where in a board's flash.

Source: `esp32.Partition.find` on a stock ESP32 v1.24.0 image (4 MiB); larger flashes give the rest to the file system.
"""

from typing import NamedTuple

TYPE_APP, TYPE_DATA = 0, 1
SUBTYPE_FACTORY, SUBTYPE_PHY, SUBTYPE_NVS, SUBTYPE_FAT = 0, 1, 2, 129


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
        Partition(TYPE_DATA, SUBTYPE_FAT, files, flash_mb * 0x100000 - files, "vfs"),
    ]
