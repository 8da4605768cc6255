"""A table on the flash reads as it was written, whatever was read before: on MicroPython from a real littlefs."""

import sys

from ports.table import Table

BLOCK = 4096
PIECE = 64
COUNT = 4


class Ram:
    """A block device in memory."""

    def __init__(self, blocks):
        self.bytes = bytearray(blocks * BLOCK)

    def readblocks(self, block, buffer, offset=0):
        at = block * BLOCK + offset
        buffer[:] = self.bytes[at : at + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        at = block * BLOCK + offset
        self.bytes[at : at + len(buffer)] = buffer

    def ioctl(self, request, _argument):
        return {4: len(self.bytes) // BLOCK, 5: BLOCK}.get(request, 0)


def file_of(content):
    """The path of a file with this content, in a file system of its own."""
    if sys.implementation.name == "micropython":
        import vfs

        device = Ram(16)
        vfs.VfsLfs2.mkfs(device)
        vfs.mount(vfs.VfsLfs2(device), "/littlefs")
        path = "/littlefs/table.bin"
    else:
        import tempfile

        path = tempfile.mkdtemp() + "/table.bin"
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(content)
    return path


def test_a_piece_is_the_same_whichever_was_read_before():
    content = bytes([(at * 7 + at // PIECE * 11) & 255 for at in range(COUNT * BLOCK)])
    with open(file_of(content), "rb") as file:  # noqa: PTH123
        check([Table(file, number * BLOCK, BLOCK) for number in range(COUNT)], content)


def check(table, content):
    # Blocks end within a table or with it: the pieces around those ends, before and after every piece
    read = bytearray(PIECE)
    ends = [at for at in range(0, COUNT * BLOCK, PIECE) if at % BLOCK >= BLOCK - 3 * PIECE or at % BLOCK < PIECE]
    for before in ends:
        for after in range(0, COUNT * BLOCK, PIECE):
            for first, then in ((before, after), (after, before)):
                for at in (first, then):
                    start = at % BLOCK
                    table[at // BLOCK].read(start, read)
                    assert read == content[at : at + PIECE], (first, then, at)


def test_a_file_that_ends_within_a_piece_is_an_error():
    with open(file_of(bytes(BLOCK + PIECE // 2)), "rb") as file:  # noqa: PTH123
        table = Table(file, BLOCK, BLOCK)
        table.read(0, bytearray(PIECE // 2))
        try:
            table.read(0, bytearray(PIECE))
        except OSError:
            return
    raise AssertionError("half a piece was taken for a whole one")
