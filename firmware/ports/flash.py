"""What survives a power cut: files on littlefs, small values in NVS, raw sectors for the keys."""

import os

from esp32 import NVS, Partition
from micropython import const

from ports.table import tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ports.table import Table

_NAMESPACE = "hadeda"
_BLOB_MAX = const(64)

_KEY_LABEL = "node_keys"
_KEY_SECTORS = const(2)
_PIECE = const(256)  # what is compared at a time
_PROGRAM_UNIT = const(16)  # bytes, also where the flash is encrypted
_IOCTL_COUNT = const(4)
_IOCTL_ERASE = const(6)


class Files:
    """Files under `root`. littlefs commits a file when it is closed and renames atomically."""

    def __init__(self, root: str = "") -> None:
        self.root = root

    def make_folder(self, folder: str) -> None:
        try:
            os.mkdir(self.root + folder)
        except OSError:
            os.stat(self.root + folder)  # there already, or the error of the real problem

    def names(self, folder: str) -> "Iterator[str]":
        """File names in a folder, in no order; change the folder when they are all there."""
        for entry in os.ilistdir(self.root + folder):
            yield entry[0]

    def read(self, path: str) -> "bytes | None":
        """The whole file, None when there is none."""
        try:
            with open(self.root + path, "rb") as file:
                return file.read()
        except OSError:
            return None

    def tables(self, path: str, count: int, size: int) -> "tuple[Table, ...]":
        """The tables that a file consists of, which stay on the flash; none when it is not there or of another size."""
        try:
            if os.stat(self.root + path)[6] == count * size:
                return tables(self.root + path, count, size)
        except OSError:
            pass
        return ()

    def write(self, path: str, data: bytes) -> None:
        """Replace a file: after a power cut it is the old one or the new one."""
        with open(self.root + path + "~", "wb") as file:
            file.write(data)
        os.rename(self.root + path + "~", self.root + path)

    def append(self, path: str, data: bytes) -> None:
        """After a power cut the file has all of the data or none of it."""
        with open(self.root + path, "ab") as file:
            file.write(data)

    def rename(self, old: str, new: str) -> None:
        os.rename(self.root + old, self.root + new)

    def remove(self, path: str) -> None:
        """Remove a file; not an error when there is none."""
        try:
            os.remove(self.root + path)
        except OSError:
            pass


class Nvs:
    """Small values in the nvs partition: every set is committed before it returns."""

    def __init__(self) -> None:
        self._nvs = NVS(_NAMESPACE)

    def get(self, key: str) -> "bytes | None":
        """At most 64 bytes, None when there is no such key. Keys have at most 15 characters."""
        buffer = bytearray(_BLOB_MAX)
        try:
            length = self._nvs.get_blob(key, buffer)
        except OSError:
            return None
        return bytes(buffer[:length])

    def set(self, key: str, value: bytes) -> None:
        self._nvs.set_blob(key, value)
        self._nvs.commit()

    def erase(self, key: str) -> None:
        """Erase a key; not an error when there is none."""
        try:
            self._nvs.erase_key(key)
        except OSError:
            return
        self._nvs.commit()


class KeyPartition:
    """Raw sectors that nothing else writes: what is erased here is gone from the flash. Errors are OSError."""

    SECTOR_SIZE = 4096

    def __init__(self, partition: "Partition") -> None:
        self._partition = partition

    @staticmethod
    def find() -> "KeyPartition | None":
        """The partition that flashing adds for the keys, None on a stock partition table."""
        for partition in Partition.find(Partition.TYPE_DATA, label=_KEY_LABEL):
            if partition.ioctl(_IOCTL_COUNT, 0) >= _KEY_SECTORS:
                return KeyPartition(partition)
        return None

    def read(self, sector: int, count: int) -> bytes:
        """The first `count` bytes of a sector."""
        data = bytearray(count)
        self._partition.readblocks(sector, data, 0)
        return bytes(data)

    def replace(self, sector: int, data: bytes) -> None:
        """Erase a sector and program `data` (SECTOR_SIZE bytes at most) at its beginning."""
        if len(data) > KeyPartition.SECTOR_SIZE:
            raise ValueError("more than a sector")
        self.erase(sector)
        self._partition.writeblocks(sector, data + b"\xff" * (-len(data) % _PROGRAM_UNIT), 0)

    def erase(self, sector: int) -> None:
        self._partition.ioctl(_IOCTL_ERASE, sector)

    def erased(self, sector: int) -> bool:
        """True when nothing is programmed in the whole sector."""
        data = bytearray(_PIECE)
        for at in range(0, KeyPartition.SECTOR_SIZE, _PIECE):
            self._partition.readblocks(sector, data, at)
            if data != b"\xff" * _PIECE:
                return False
        return True
