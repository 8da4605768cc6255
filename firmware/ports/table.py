"""Bytes that stay on the flash: a table is read where it is sliced, and takes no heap."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO


class Table:
    """`size` bytes of an open file from `start` on."""

    def __init__(self, file: "BinaryIO", start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._size = size

    def __len__(self) -> int:
        return self._size

    def copy_to(self, target: bytearray) -> None:
        """Fill `target`, as long as the table."""
        file = self._file
        file.seek(0)  # as below
        file.seek(self._start)
        file.readinto(target)

    def __getitem__(self, piece: "slice") -> bytes:
        """The bytes from piece.start to piece.stop, read anew; both are given, and within the table."""
        file = self._file
        # littlefs 2.8, after a read that ended where a block ends, takes that block for the next one when the wanted
        # place in it is as far in as what its cache holds (lfs_file_rawseek); from the file's beginning it finds right
        file.seek(0)
        file.seek(self._start + piece.start)
        return file.read(piece.stop - piece.start)


def tables(path: str, count: int, size: int) -> "tuple[Table, ...]":
    """The tables that a file consists of, which stays open; OSError when there is no such file."""
    file = open(path, "rb")  # noqa: SIM115
    return tuple([Table(file, number * size, size) for number in range(count)])
