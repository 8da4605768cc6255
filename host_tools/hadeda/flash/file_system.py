"""The board's file system, made and read by the littlefs library: MicroPython mounts it as its own."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from littlefs import LittleFS, UserContext
from littlefs.errors import LittleFSError

from hadeda.errors import FlashError

BLOCK: Final = 4096
# What MicroPython's VfsLfs2 takes by itself; disk version 2.0 is read by every release that will do
_SETTINGS: Final[dict[str, Any]] = {"read_size": 32, "prog_size": 32, "cache_size": 128, "lookahead_size": 32}
_DISK_VERSION: Final = 0x00020000


def made(files: Mapping[str, bytes], size: int) -> bytes:
    """A file system of `size` bytes with `files`, by path from `/`. Raises `FlashError` where they do not fit."""
    context = UserContext(size)
    disk = LittleFS(
        context, mount=False, block_size=BLOCK, block_count=size // BLOCK, disk_version=_DISK_VERSION, **_SETTINGS
    )
    disk.format()
    disk.mount()
    try:
        for path, content in files.items():
            disk.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
            with disk.open(path, "wb") as target:
                target.write(content)
    except LittleFSError as error:
        raise FlashError(f"the files do not fit into {size // 1024} KB", "take a board with more flash") from error
    disk.unmount()
    return bytes(context.buffer)


def read(data: bytes) -> dict[str, bytes]:
    """Every file, by path from `/`. Raises `FlashError` where there is no file system that can be read."""
    context = UserContext(len(data))
    context.buffer = bytearray(data)
    disk = LittleFS(context, mount=False, block_size=BLOCK, block_count=len(data) // BLOCK, **_SETTINGS)
    found: dict[str, bytes] = {}
    try:
        disk.mount()  # one that fails leaves nothing to unmount
        for folder, _folders, names in disk.walk("/"):
            for name in names:
                path = str(PurePosixPath(folder) / name)
                with disk.open(path, "rb") as source:
                    found[path] = source.read()
    except LittleFSError as error:
        raise FlashError("there is no file system that can be read", "provisioning makes one") from error
    disk.unmount()
    return found
