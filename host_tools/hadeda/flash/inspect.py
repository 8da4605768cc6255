"""Takes a whole flash image apart, ours or another's: what is where, and whether it is whole."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hadeda.board import partitions
from hadeda.board.chips import CHIPS
from hadeda.board.partitions import TABLE_AT, TABLE_SIZE, TYPE_APP, Partition
from hadeda.board.problems import shown
from hadeda.errors import FlashError
from hadeda.flash import file_system, images
from hadeda.flash.firmware import BYTES_MAX, version_in


@dataclass(frozen=True)
class Found:
    """One thing in an image: `what` says what it is, `whole` that nothing is wrong with it."""

    name: str
    address: int
    size: int
    what: str
    whole: bool = True


@dataclass(frozen=True)
class Inspection:
    """An image taken apart; `files` are those of its file system, by path."""

    chip: str
    size: int
    found: tuple[Found, ...]
    files: dict[str, bytes]

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong anywhere."""
        return all(found.whole for found in self.found)

    def answer(self) -> dict[str, Any]:
        """For --json."""
        return {
            "chip": self.chip,
            "size": self.size,
            "whole": self.whole,
            "found": [vars(found) for found in self.found],
            "files": [
                {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                for path, data in sorted(self.files.items())
            ],
        }


def inspect(file: Path) -> Inspection:
    """Take the image in `file` apart. Raises `FlashError` where it is no flash image at all."""
    try:
        with file.open("rb") as stream:
            flash = stream.read(BYTES_MAX + 1)
    except OSError as error:
        raise FlashError(f"{shown(file)} cannot be read: {error.strerror}", "name a flash image") from error
    at = next((at for at in (0, 0x1000) if images.is_image(flash[at:])), None)
    if at is None:
        raise FlashError(f"{shown(file)} is no flash image: no bootloader at 0x0 or 0x1000", "hadeda board image -o")
    try:
        table = partitions.from_bytes(flash[TABLE_AT : TABLE_AT + TABLE_SIZE])
    except ValueError as error:
        raise FlashError(f"{shown(file)} is no flash image: {error} at 0x8000", "hadeda board image -o") from error
    chip = next((chip.title for chip in CHIPS.values() if chip.image_id == images.chip_id(flash[at:])), "unknown chip")
    boot = _image("bootloader", at, flash[at:TABLE_AT])
    found = [boot, Found("partition table", TABLE_AT, TABLE_SIZE, f"{len(table)} partitions, MD5 right")]
    files: dict[str, bytes] = {}
    for row in table:
        found.append(_partition(row, flash, files))
    return Inspection(chip, len(flash), tuple(found), files)


def _partition(row: Partition, flash: bytes, files: dict[str, bytes]) -> Found:
    data = flash[row.address : row.address + row.size]
    if len(data) < row.size:
        return Found(row.label, row.address, row.size, "beyond the end of the image", False)
    if data.count(0xFF) == len(data):
        return Found(row.label, row.address, row.size, "erased", row.type != TYPE_APP)
    if row.type == TYPE_APP:
        return _image(row.label, row.address, data)
    if row.label == partitions.FILES:
        return _files(row, data, files)
    used = "keys of a node" if row.label == partitions.KEYS else "in use"
    return Found(row.label, row.address, row.size, used)


def _image(name: str, address: int, data: bytes) -> Found:
    try:
        image = images.read(data, name)
    except FlashError as error:
        return Found(name, address, len(data), error.message, False)
    version = version_in(image.data)
    title = images.chip_title(image.chip_id)
    what = f"MicroPython {version} for {title}" if version else f"for {title}, {image.flash_mb} MB of flash"
    return Found(name, address, len(image.data), f"{what}, SHA-256 right")


def _files(row: Partition, data: bytes, files: dict[str, bytes]) -> Found:
    try:
        files.update(file_system.read(data))
    except FlashError as error:
        return Found(row.label, row.address, row.size, error.message, False)
    used = sum(map(len, files.values()))
    return Found(row.label, row.address, row.size, f"littlefs, {len(files)} files, {used} bytes")
