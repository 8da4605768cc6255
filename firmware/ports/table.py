"""Bytes that stay on the flash: of a table only what is asked for takes heap."""

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

    def read(self, start: int, target: "bytearray | memoryview") -> None:
        """Fill `target` with what stands from `start` on, read anew; OSError when the file ends before."""
        file = self._file
        # littlefs 2.8, after a read that ended where a block ends, takes that block for the next one when the wanted
        # place in it is as far in as what its cache holds (lfs_file_rawseek); from the file's beginning it finds right
        file.seek(0)
        file.seek(self._start + start)
        if file.readinto(target) != len(target):
            raise OSError("a table is not whole")


def tables(path: str, count: int, size: int) -> "tuple[Table, ...]":
    """The tables that a file consists of, which stays open; OSError when there is no such file."""
    file = open(path, "rb")  # noqa: SIM115
    return tuple([Table(file, number * size, size) for number in range(count)])
