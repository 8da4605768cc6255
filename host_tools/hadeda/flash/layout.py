"""What lies where in a board's flash: the one description that flashing writes and a flash image is made from.

Erased is everything else, so that nothing of an earlier life of the board stays, keys least of all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hadeda.board import Board, partitions
from hadeda.flash import file_system, images
from hadeda.flash.firmware import Firmware

ERASED: Final = b"\xff"


@dataclass(frozen=True)
class Region:
    """Bytes at their place in flash."""

    name: str
    address: int
    data: bytes


def regions(board: Board, firmware: Firmware) -> list[Region]:
    """What flashing writes: MicroPython as it was published, but for the flash's size, and our partition table."""
    table = partitions.hadeda(board.flash_mb)
    return [
        Region(
            "bootloader",
            board.silicon.bootloader_at,
            images.with_flash_size(firmware.bootloader, board.flash_mb).data,
        ),
        Region("partition table", partitions.TABLE_AT, partitions.to_bytes(table)),
        Region("MicroPython", partitions.find(table, "factory").address, firmware.application.data),
    ]


def flash_image(board: Board, written: list[Region]) -> bytes:
    """The whole flash with these regions in it."""
    flash = bytearray(ERASED * (board.flash_mb << 20))
    for region in written:
        flash[region.address : region.address + len(region.data)] = region.data
    return bytes(flash)


def files_region(board: Board, files: Mapping[str, bytes]) -> Region:
    """The file system with `files` in it, by path from `/`."""
    row = partitions.find(partitions.hadeda(board.flash_mb), partitions.FILES)
    return Region("files", row.address, file_system.made(files, row.size))
