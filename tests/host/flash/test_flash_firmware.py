"""A firmware file is held to its board before a board is touched: chip, wholeness, MicroPython and its release."""

import contextlib
import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from made_firmware import (
    BOOTLOADER_AT,
    CHIP_IDS,
    KEPT,
    STOCK_ROWS,
    application,
    banner,
    bootloader,
    firmware,
    image,
    partition_table,
)

from hadeda.board import Board, load, names
from hadeda.errors import FlashError
from hadeda.flash import firmware as firmwares
from hadeda.flash import images

ESP32 = "esp32-devkitc-v4"


def refused(tmp_path: Path, data: bytes, board: Board | None = None) -> str:
    """What is said of a file."""
    file = tmp_path / "firmware.bin"
    file.write_bytes(data)
    with pytest.raises(FlashError) as caught:
        firmwares.read(file, board or load(ESP32))
    return str(caught.value)


@pytest.mark.parametrize("name", names())
def test_the_file_for_a_board_is_taken(name: str, tmp_path: Path) -> None:
    board = load(name)
    file = tmp_path / "firmware.bin"
    file.write_bytes(firmware(board.chip, "1.25.0"))
    found = firmwares.read(file, board)
    assert found.version == "1.25.0"
    assert found.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert found.application.chip_id == found.bootloader.chip_id == CHIP_IDS[board.chip]


def test_the_kept_file_is_the_one_that_is_made_here() -> None:
    assert KEPT.read_bytes() == firmware(), "run tests/host/flash/made_firmware.py"


def test_the_kept_file_runs_nowhere_and_says_so() -> None:
    assert b"made for Hadeda's tests, runs nowhere" in KEPT.read_bytes()


@pytest.mark.parametrize("chip", ["esp32s3", "esp32c3", "esp32c6", "esp32s2"])
def test_a_file_for_another_chip(chip: str, tmp_path: Path) -> None:
    words = refused(tmp_path, firmware(chip))
    assert f"is for an {images.chip_title(CHIP_IDS[chip])}, {ESP32} has an ESP32" in words
    assert "https://micropython.org/download/ESP32_GENERIC/" in words


def test_bootloader_and_application_for_two_chips(tmp_path: Path) -> None:
    head = firmware()[: 0x10000 - 0x1000]
    assert "are for different chips" in refused(tmp_path, head + application("esp32s3", banner("1.24.1")))


CUTS: list[tuple[str, Callable[[bytes], int], str]] = [
    ("to nothing", lambda _data: 0, "is no ESP32 image"),
    ("in the header", lambda _data: 10, "is no ESP32 image"),
    ("in the bootloader", lambda _data: 100, "is cut short, or is not MicroPython"),
    ("in the partition table", lambda _data: 0x7020, "is cut short, or is not MicroPython"),
    ("before the application", lambda _data: 0xF000, "it ends before the application"),
    ("in the application's header", lambda _data: 0xF008, "the application in"),
    ("in the application", lambda _data: 0xF200, "is cut short or damaged"),
    ("in the checksum", lambda data: len(data) - 33, "is cut short or damaged"),
    ("in the digest", lambda data: len(data) - 1, "its SHA-256 is wrong"),
]


@pytest.mark.parametrize(("cut", "words"), [row[1:] for row in CUTS], ids=[row[0] for row in CUTS])
def test_a_file_that_is_cut_short(cut: Callable[[bytes], int], words: str, tmp_path: Path) -> None:
    data = firmware()
    assert words in refused(tmp_path, data[: cut(data)])


@pytest.mark.parametrize("at", [0x30, 0x7005, 0xF050, 0xF300, -20, -40])
def test_a_file_with_one_bit_turned_over(at: int, tmp_path: Path) -> None:
    data = bytearray(firmware())
    data[at] ^= 4
    assert refused(tmp_path, bytes(data))


def test_a_flipped_bit_anywhere_in_bootloader_or_application_is_found(tmp_path: Path) -> None:
    """Every byte of both headers, and some of what is behind them."""
    data = firmware()
    places = [*range(0, 24), *range(0xF000, 0xF018), *range(24, 144, 17), *range(0xF018, len(data), 97)]
    for at in places:
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        refused(tmp_path, bytes(changed))


def test_another_chips_firmware_that_is_not_micropython(tmp_path: Path) -> None:
    assert "is not MicroPython" in refused(tmp_path, firmware(text=b"Tasmota 14.3.0"))


def test_no_image_at_all(tmp_path: Path) -> None:
    assert "is no ESP32 image" in refused(tmp_path, b"<!DOCTYPE html>" + bytes(100_000))


def test_an_application_without_bootloader(tmp_path: Path) -> None:
    words = refused(tmp_path, application("esp32", banner("1.24.1"), padding=100_000))
    assert "is an application alone, without bootloader" in words


@pytest.mark.parametrize("version", ["1.23.0", "1.9.4", "0.99.0", "1.24.0-preview.12.gabcdef", "1.23.0-preview"])
def test_a_release_that_is_too_old(version: str, tmp_path: Path) -> None:
    words = refused(tmp_path, firmware(version=version))
    assert f"is MicroPython {version}, {ESP32} needs 1.24 or later" in words


@pytest.mark.parametrize("version", ["1.24.0", "1.24.1", "1.25.0-preview.3", "1.26.1", "2.0.0", "1.100.0"])
def test_a_release_that_will_do(version: str, tmp_path: Path) -> None:
    file = tmp_path / "firmware.bin"
    file.write_bytes(firmware(version=version))
    assert firmwares.read(file, load(ESP32)).version == version


def test_an_application_larger_than_its_partition(tmp_path: Path) -> None:
    words = refused(tmp_path, firmware(padding=0x1F0000))
    assert "its partition has 1984" in words


def test_an_image_without_digest_cannot_be_checked(tmp_path: Path) -> None:
    data = bytearray(firmware())
    data[23] = 0  # hash_appended, of the bootloader
    assert "no SHA-256 to check it by" in refused(tmp_path, bytes(data))


def test_a_table_without_application(tmp_path: Path) -> None:
    start = BOOTLOADER_AT["esp32"]
    table = partition_table([(1, 2, 0x9000, 0x6000, b"nvs")])
    data = bootloader("esp32").ljust(0x8000 - start, b"\xff") + table
    assert "it ends before the application" in refused(tmp_path, data.ljust(0x20000, b"\xff"))


def test_a_release_whose_own_table_ends_behind_the_application(tmp_path: Path) -> None:
    data, file = bytearray(firmware(version="1.27.0")), tmp_path / "firmware.bin"
    data[0x7000:0x8000] = partition_table(STOCK_ROWS[:3])
    file.write_bytes(data)
    assert firmwares.read(file, load(ESP32)).version == "1.27.0"


def test_a_file_that_is_none(tmp_path: Path) -> None:
    for file in (tmp_path, tmp_path / "nothing.bin"):
        with pytest.raises(FlashError, match="cannot be read"):
            firmwares.read(file, load(ESP32))


def test_a_board_can_be_pinned_to_one_file(tmp_path: Path) -> None:
    board, data = load(ESP32), firmware()
    pinned = board.micropython.model_copy(update={"sha256": hashlib.sha256(data).hexdigest()})
    mine = board.model_copy(update={"micropython": pinned})
    file = tmp_path / "firmware.bin"
    file.write_bytes(data)
    assert firmwares.read(file, mine).version == "1.24.1"
    assert "is pinned to another" in refused(tmp_path, firmware(version="1.24.2"), mine)


def test_only_the_size_of_the_flash_changes_in_a_bootloader() -> None:
    first = images.read(image(0, [(0x3FFF0018, b"abcd")], flash_mb=4), "it")
    for flash_mb in (4, 8, 16):
        told = images.with_flash_size(first, flash_mb)
        again = images.read(told.data, "it")  # its digest is right
        assert again.flash_mb == flash_mb
        assert told.data[:3] + told.data[4:-32] == first.data[:3] + first.data[4:-32]
        assert told.data[3] & 0x0F == first.data[3] & 0x0F


def test_whatever_the_bytes_there_is_one_kind_of_error(tmp_path: Path) -> None:
    data, file = firmware(), tmp_path / "firmware.bin"
    for seed in range(300):
        noise = random.Random(seed)
        changed = bytearray(data[: noise.choice([len(data), noise.randrange(len(data))])])
        for _ in range(noise.choice([0, 1, 3, 40])):
            place = noise.choice([noise.randrange(0x20), 0x7000 + noise.randrange(0x100), 0xF000 + noise.randrange(64)])
            if place < len(changed):
                changed[place] = noise.randrange(256)
        file.write_bytes(changed)
        with contextlib.suppress(FlashError):
            assert firmwares.read(file, load(ESP32)).version == "1.24.1"
