"""The official MicroPython file for a board: everything about it is checked before a board is touched.

The file is what lies in flash from the bootloader on: bootloader, a partition table, the application. Which release it
is stands in the application as MicroPython's own banner.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hadeda.board import Board, partitions
from hadeda.board.partitions import TABLE_AT, TABLE_SIZE, TYPE_APP, Partition
from hadeda.board.problems import shown
from hadeda.errors import FlashError
from hadeda.flash import images
from hadeda.flash.images import Image

BYTES_MAX: Final = 32 << 20  # the largest flash there is
_BANNER: Final = re.compile(rb"MicroPython v(\d{1,3})\.(\d{1,3})\.(\d{1,3})(-[\w.]+)? on \d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Firmware:
    """A file that fits its board."""

    file: Path
    sha256: str
    version: str
    bootloader: Image
    application: Image


def read(file: Path, board: Board) -> Firmware:
    """The file, for this board. Raises `FlashError` where it is not what the board needs."""
    data = _content(file)
    name, digest = shown(file), hashlib.sha256(data).hexdigest()
    if board.micropython.sha256 not in (None, digest):
        raise FlashError(f"{name} has the SHA-256 {digest}, {board.name} is pinned to another", _where(board))
    if not images.is_image(data):
        raise FlashError(f"{name} is no ESP32 image", _where(board))
    if images.chip_id(data) != board.silicon.image_id:
        title = images.chip_title(images.chip_id(data))
        raise FlashError(f"{name} is for an {title}, {board.name} has an {board.silicon.title}", _where(board))
    application_at = _application_at(data, board, name)
    bootloader = images.read(data[: TABLE_AT - board.silicon.bootloader_at], f"the bootloader in {name}")
    application = images.read(data[application_at:], f"the application in {name}")
    if application.chip_id != bootloader.chip_id:
        raise FlashError(f"bootloader and application in {name} are for different chips", _where(board))
    version = _version(application.data, board, name)
    room = partitions.find(partitions.hadeda(board.flash_mb), "factory").size
    if len(application.data) > room:
        size = f"{len(application.data) // 1024} KB, its partition has {room // 1024}"
        raise FlashError(f"the application in {name} has {size}", f"take an earlier release than {version}")
    return Firmware(file, digest, version, bootloader, application)


def version_in(application: bytes) -> str | None:
    """MicroPython's release, such as "1.24.1", that an application says it is; None where it is not MicroPython."""
    found = _BANNER.search(application)
    if found is None:
        return None
    return ".".join(part.decode() for part in found.groups()[:3]) + (found[4] or b"").decode()


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            data = stream.read(BYTES_MAX + 1)
    except OSError as error:
        raise FlashError(f"{shown(file)} cannot be read: {error.strerror}", "name MicroPython's .bin file") from error
    if len(data) > BYTES_MAX:
        raise FlashError(f"{shown(file)} is larger than any flash", "name MicroPython's .bin file")
    return data


def _where(board: Board) -> str:
    return f"take {board.micropython.file} from {board.micropython.page}"


def _application_at(data: bytes, board: Board, name: str) -> int:
    """Where in the file its own partition table puts the application."""
    start = board.silicon.bootloader_at
    sector = data[TABLE_AT - start : TABLE_AT - start + TABLE_SIZE]
    try:
        table: list[Partition] = partitions.from_bytes(sector)
    except ValueError as error:
        if version_in(data) is not None:
            raise FlashError(f"{name} is an application alone, without bootloader", _where(board)) from error
        what = f"{name} is cut short, or is not MicroPython: no whole partition table where one should be"
        raise FlashError(what, _where(board)) from error
    application = next((row for row in table if row.type == TYPE_APP), None)
    if application is None or application.address - start >= len(data):
        raise FlashError(f"{name} is cut short: it ends before the application", "download it again")
    return application.address - start


def _version(application: bytes, board: Board, name: str) -> str:
    version = version_in(application)
    if version is None:
        raise FlashError(f"{name} is not MicroPython", _where(board))
    release, _, preview = version.partition("-")
    oldest = board.micropython.oldest
    numbers = tuple(map(int, release.split(".")))
    if numbers < oldest or (preview and numbers <= (*oldest, 0, 0)[:3]):  # a preview comes before its release
        least = board.micropython.min_version
        raise FlashError(f"{name} is MicroPython {version}, {board.name} needs {least} or later", _where(board))
    return version
