"""What a board finds in its flash when it gets power: the partition table, and whether there is anything to start.

An emulated board always runs the interpreter of this machine. In an image file that nobody has flashed there is nothing
but files, and it starts all the same; what has been flashed must be whole, as on silicon.
"""

from hadeda.board import Board
from hadeda.board.partitions import TABLE_AT, TABLE_SIZE, TYPE_APP, Partition, from_bytes
from hadeda.emulator.flash import Flash
from hadeda.errors import FlashError

NO_HEADER = b"invalid header: 0xffffffff\r\n"  # the ROM, where a bootloader should be
NO_TABLE = b"E (53) flash_parts: partition table invalid\r\n"
NO_APPLICATION = b"E (53) boot: No bootable app partitions in the partition table\r\n"


def partition_table(flash: Flash) -> list[Partition] | None:
    """The table in flash; None where there is none."""
    try:
        return from_bytes(flash.read(TABLE_AT, TABLE_SIZE))
    except ValueError:
        return None


def why_not(flash: Flash, board: Board) -> bytes:
    """What a board says that cannot start what is in its flash; nothing where it can."""
    from hadeda.flash import images  # esptool takes its time, and most emulated boards were never flashed

    start = board.silicon.bootloader_at
    table = partition_table(flash)
    parts = [(start, TABLE_AT - start, NO_HEADER)]
    parts += [(row.address, row.size, NO_APPLICATION) for row in table or () if row.type == TYPE_APP]
    for address, size, words in parts:
        try:
            image = images.read(flash.read(address, size), "it")
        except FlashError:
            return words
        if image.chip_id != board.silicon.image_id:
            return words
    return b"" if len(parts) > 1 else NO_TABLE
