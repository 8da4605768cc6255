"""An ESP32 image, the form of bootloader and application in flash: read and held to its own checksums by esptool.

The header's places are those of esp_image_header_t (ESP-IDF, "Firmware Image Format").
"""

import hashlib
import struct
from dataclasses import dataclass
from typing import Final

from esptool.bin_image import LoadFirmwareImage  # type: ignore[import-untyped]
from esptool.util import FatalError  # type: ignore[import-untyped]

from hadeda.board.chips import CHIPS
from hadeda.errors import FlashError

MAGIC: Final = 0xE9
HEADER_SIZE: Final = 24
_SIZES_MB: Final = (1, 2, 4, 8, 16, 32, 64, 128)  # by their code in the header
_DIGEST_SIZE: Final = 32
_TITLES: Final = {chip.image_id: chip.title for chip in CHIPS.values()}


def is_image(data: bytes) -> bool:
    """Whether `data` begins like an image."""
    return len(data) >= HEADER_SIZE and data[0] == MAGIC


def chip_id(data: bytes) -> int:
    """The chip an image is for, as its header numbers them."""
    return int.from_bytes(data[12:14], "little")


def chip_title(number: int) -> str:
    """A chip's name by its number in the header."""
    return _TITLES.get(number, f"chip {number}")


@dataclass(frozen=True)
class Image:
    """One image; `data` is all of it, digest included, `flash_mb` what its header says of the flash, 0 for nothing."""

    data: bytes
    chip_id: int
    flash_mb: int


def read(data: bytes, what: str) -> Image:
    """The image that `data` begins with. Raises `FlashError` naming `what` where it is none, cut short or damaged."""
    if not is_image(data):
        raise FlashError(f"{what} is no ESP32 image", "take the .bin file from MicroPython's download page")
    number = chip_id(data)
    loader = next((chip.name for chip in CHIPS.values() if chip.image_id == number), "esp32")
    try:
        image = LoadFirmwareImage(loader, data)
    except (FatalError, struct.error, RuntimeError, IndexError, TypeError) as error:
        raise FlashError(f"{what} is cut short or damaged", "download it again") from error
    if image.checksum != image.calculate_checksum():
        raise FlashError(f"{what} is damaged: its checksum is wrong", "download it again")
    if not image.append_digest:
        raise FlashError(f"{what} has no SHA-256 to check it by", "take the file from MicroPython's download page")
    if image.stored_digest != image.calc_digest:
        raise FlashError(f"{what} is cut short or damaged: its SHA-256 is wrong", "download it again")
    size_code = data[3] >> 4
    flash_mb = _SIZES_MB[size_code] if size_code < len(_SIZES_MB) else 0
    return Image(data[: image.data_length + _DIGEST_SIZE], number, flash_mb)


def with_flash_size(image: Image, flash_mb: int) -> Image:
    """The same image telling another size of the flash: a bootloader refuses partitions beyond what it says."""
    body = bytearray(image.data[:-_DIGEST_SIZE])
    body[3] = _SIZES_MB.index(flash_mb) << 4 | body[3] & 0x0F
    return Image(bytes(body) + hashlib.sha256(body).digest(), image.chip_id, flash_mb)
