"""A flash image, taken apart by those who know nothing of us: esptool, a partition tool, MicroPython's littlefs."""

import contextlib
import json
import random
from itertools import pairwise
from pathlib import Path

import pytest
from esp_idf_defs.partitions import PartitionTable
from esptool.bin_image import LoadFirmwareImage
from made_firmware import KEPT, firmware, partition_table
from typer.testing import CliRunner

from hadeda.board import load, names, partitions
from hadeda.board.schema import Board
from hadeda.cli.main import app
from hadeda.emulator import files_in_flash
from hadeda.errors import FlashError
from hadeda.flash import file_system, layout
from hadeda.flash import firmware as firmwares
from hadeda.flash import inspect as inspecting
from hadeda.provision.shipment import shipment

RUN = CliRunner()
ESP32 = "esp32-devkitc-v4"
FILES = {"/main.py": b"import this\n", "/lib/node/a.mpy": bytes(range(256)) * 40, "/empty": b""}


def made(board: Board, tmp_path: Path, files: dict[str, bytes] | None = None) -> bytes:
    file = tmp_path / "firmware.bin"
    file.write_bytes(firmware(board.chip))
    regions = layout.regions(board, firmwares.read(file, board))
    return layout.flash_image(board, [*regions, layout.files_region(board, files or FILES)])


@pytest.mark.parametrize("name", names())
def test_esptool_finds_bootloader_and_application(name: str, tmp_path: Path) -> None:
    board = load(name)
    flash = made(board, tmp_path)
    assert len(flash) == board.flash_mb << 20
    for at in (board.silicon.bootloader_at, 0x10000):
        image = LoadFirmwareImage(board.chip, flash[at:])
        assert image.chip_id == board.silicon.image_id
        assert image.checksum == image.calculate_checksum()
        assert image.stored_digest == image.calc_digest
    told_mb = {0: 1, 1: 2, 2: 4, 3: 8, 4: 16}[flash[board.silicon.bootloader_at + 3] >> 4]
    assert told_mb == board.flash_mb


@pytest.mark.parametrize("name", names())
def test_a_partition_tool_finds_our_table_without_fault(name: str, tmp_path: Path) -> None:
    board = load(name)
    table = PartitionTable.from_binary(made(board, tmp_path)[0x8000:0x9000])
    table.verify()
    assert [(row.name, row.type, row.subtype, row.offset, row.size) for row in table] == [
        (row.label, row.type, row.subtype, row.address, row.size) for row in partitions.hadeda(board.flash_mb)
    ]
    assert table.find_by_name("node_keys").size == 2 * 4096
    assert table.flash_size() == board.flash_mb << 20


def test_the_partition_tool_writes_the_same_table(tmp_path: Path) -> None:
    board = load(ESP32)
    sector = made(board, tmp_path)[0x8000:0x9000]
    assert PartitionTable.from_binary(sector).to_binary() == sector[:0xC00]


@pytest.mark.parametrize("name", [ESP32, "esp32-c6-devkitc-1"])
def test_micropython_finds_every_file(name: str, tmp_path: Path) -> None:
    board = load(name)
    image = tmp_path / "flash.bin"
    image.write_bytes(made(board, tmp_path))
    assert files_in_flash.files(image, board) == FILES


def test_micropython_writes_on_and_littlefs_reads_it(tmp_path: Path) -> None:
    board = load(ESP32)
    image = tmp_path / "flash.bin"
    image.write_bytes(made(board, tmp_path))
    changed = files_in_flash.change(image, board, write={"/state": b"s" * 9000}, remove=["/empty"])
    row = partitions.find(partitions.hadeda(board.flash_mb), partitions.FILES)
    read = file_system.read(image.read_bytes()[row.address : row.address + row.size])
    assert (
        read == changed == {**{path: data for path, data in FILES.items() if path != "/empty"}, "/state": b"s" * 9000}
    )


def test_everything_else_is_erased(tmp_path: Path) -> None:
    board = load(ESP32)
    flash = bytearray(made(board, tmp_path))
    file = tmp_path / "firmware.bin"
    for region in layout.regions(board, firmwares.read(file, board)):
        flash[region.address : region.address + len(region.data)] = b"\xff" * len(region.data)
    row = partitions.find(partitions.hadeda(board.flash_mb), partitions.FILES)
    flash[row.address : row.address + row.size] = b"\xff" * row.size
    assert flash == b"\xff" * len(flash)


def test_no_two_regions_overlap_and_all_are_in_their_partitions(tmp_path: Path) -> None:
    for name in names():
        board = load(name)
        file = tmp_path / "firmware.bin"
        file.write_bytes(firmware(board.chip))
        regions = [*layout.regions(board, firmwares.read(file, board)), layout.files_region(board, FILES)]
        ends = [(region.address, region.address + len(region.data)) for region in regions]
        assert all(end <= start for (_, end), (start, _) in pairwise(ends))
        assert ends[-1][1] == partitions.find(partitions.hadeda(board.flash_mb), partitions.KEYS).address


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(FlashError, match="do not fit into 2040 KB"):
        made(load(ESP32), tmp_path, {"/large": bytes(3 << 20)})


def test_the_command_makes_an_image_with_the_nodes_code_and_takes_it_apart(tmp_path: Path) -> None:
    image = tmp_path / "flash.bin"
    result = RUN.invoke(app, ["board", "image", ESP32, "--firmware", str(KEPT), "-o", str(image), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["bytes"] == image.stat().st_size == 4 << 20
    shown = RUN.invoke(app, ["board", "image", "--inspect", str(image)])
    assert shown.exit_code == 0, shown.output
    for words in ("MicroPython 1.24.1 for ESP32", "/lib/node/pipeline.mpy", "node_keys", "erased", "MD5 right"):
        assert words in shown.stdout
    found = json.loads(RUN.invoke(app, ["board", "image", "--inspect", str(image), "--json"]).stdout)
    assert found["whole"]
    assert files_in_flash.files(image, load(ESP32)) == shipment(load(ESP32))
    assert {entry["path"] for entry in found["files"]} == set(shipment(load(ESP32)))


@pytest.mark.parametrize(
    ("at", "wrong"), [(0x1030, "bootloader"), (0x10100, "factory"), (0x200000, "vfs"), (0x8010, "MD5 is wrong")]
)
def test_a_damaged_image_is_said_to_be(at: int, wrong: str, tmp_path: Path) -> None:
    flash = bytearray(made(load(ESP32), tmp_path))
    for place in range(at, at + (8192 if wrong == "vfs" else 1)):
        flash[place] ^= 0x55
    file = tmp_path / "flash.bin"
    file.write_bytes(flash)
    result = RUN.invoke(app, ["board", "image", "--inspect", str(file)])
    assert result.exit_code == 1
    assert wrong in result.stderr


NO_IMAGES = [b"", b"hello", bytes(4 << 20), b"\xff" * (4 << 20)]


@pytest.mark.parametrize("content", NO_IMAGES, ids=["empty", "a text", "zeros", "erased"])
def test_what_is_no_flash_image(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "flash.bin"
    file.write_bytes(content)
    result = RUN.invoke(app, ["board", "image", "--inspect", str(file)])
    assert result.exit_code == 1
    assert "is no flash image" in result.stderr


def test_an_image_that_is_cut_short(tmp_path: Path) -> None:
    file = tmp_path / "flash.bin"
    file.write_bytes(made(load(ESP32), tmp_path)[:0x300000])
    result = RUN.invoke(app, ["board", "image", "--inspect", str(file)])
    assert result.exit_code == 1
    assert "is not whole: vfs, node_keys" in result.stderr


def test_an_image_command_that_is_not_understood() -> None:
    for arguments in (["board", "image"], ["board", "image", ESP32], ["board", "image", ESP32, "--inspect", "x"]):
        assert RUN.invoke(app, arguments).exit_code == 2


def test_keys_in_an_image_are_said_to_be_there_and_not_shown(tmp_path: Path) -> None:
    flash = bytearray(made(load(ESP32), tmp_path))
    flash[0x3FE000:0x3FE010] = b"secret key bytes"
    file = tmp_path / "flash.bin"
    file.write_bytes(flash)
    shown = RUN.invoke(app, ["board", "image", "--inspect", str(file), "--json"]).stdout
    assert "keys of a node" in shown
    assert "secret" not in shown
    assert b"secret key bytes".hex() not in shown


def test_whatever_the_bytes_an_image_is_taken_apart_or_refused(tmp_path: Path) -> None:
    flash, file = made(load(ESP32), tmp_path), tmp_path / "flash.bin"
    tables = (0x1000, 0x8000, 0x10000, 0x200000, 0x201000, 0x202000)
    for seed in range(60):
        noise = random.Random(seed)
        changed = bytearray(flash)
        for _ in range(noise.choice([1, 5, 60])):
            changed[noise.choice(tables) + noise.randrange(0x200)] = noise.randrange(256)
        if noise.random() < 0.3:  # a table that is right, and says anything
            place, size = noise.randrange(1 << 32), noise.choice([0, 100, 4096, noise.randrange(1 << 32)])
            changed[0x8000:0x9000] = partition_table([(noise.randrange(2), noise.randrange(256), place, size, b"vfs")])
        file.write_bytes(changed)
        with contextlib.suppress(FlashError):
            assert len(inspecting.inspect(file).found) > 2
