"""What survives a power cut: files on littlefs and small values in NVS."""

import os

from esp32 import NVS
from micropython import const

_NAMESPACE = "hadeda"
_BLOB_MAX = const(64)


class Files:
    """Files under `root`. littlefs commits a file when it is closed and renames atomically."""

    def __init__(self, root: str = "") -> None:
        self.root = root

    def make_folder(self, folder: str) -> None:
        try:
            os.mkdir(self.root + folder)
        except OSError:
            os.stat(self.root + folder)  # there already, or the error of the real problem

    def names(self, folder: str) -> "list[str]":
        """File names in a folder, sorted."""
        return sorted(os.listdir(self.root + folder))

    def read(self, path: str) -> "bytes | None":
        """The whole file, None when there is none."""
        try:
            with open(self.root + path, "rb") as file:
                return file.read()
        except OSError:
            return None

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
