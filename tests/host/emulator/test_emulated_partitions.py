"""The key partition at the end of the flash: NOR sectors that a program reads, programs and erases, and no more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from emulator_bench import execute, on_bench, power_up

from hadeda.board import load
from hadeda.board.partitions import KEYS, find, hadeda
from hadeda.emulator.board import EmulatedBoard
from hadeda.emulator.flash import SECTOR

BOARD = "esp32-s3-devkitc-1"
KEYS_AT = find(hadeda(8), KEYS).address
FIND = "from esp32 import Partition\nfound = Partition.find(Partition.TYPE_DATA, label='node_keys')\n"


@pytest.fixture
def board() -> Iterator[EmulatedBoard]:
    with on_bench(board=load(BOARD)) as board:
        power_up(board)
        yield board


def keys(board: EmulatedBoard, program: str) -> str:
    """Run a program that has the key partition as `p`; what it printed."""
    return execute(board, FIND + "p = found[0]\n" + program)


def test_the_key_partition_is_the_end_of_the_flash_and_the_file_system_ends_before_it(board: EmulatedBoard) -> None:
    program = "import os, flashbdev\nprint(p.info(), flashbdev.bdev.info(), p.ioctl(4, 0), os.statvfs('/')[2])"
    vfs = (1, 129, 0x200000, 0x5FE000, "vfs", False)
    assert keys(board, program) == f"{(1, 64, 0x7FE000, 0x2000, 'node_keys', False)} {vfs} 2 {0x5FE000 // 4096}\n"


def test_stock_partitions_have_no_place_for_keys() -> None:
    with on_bench(board=load(BOARD), stock_partitions=True) as board:
        power_up(board)
        output = execute(board, FIND + "import flashbdev\nprint(found, flashbdev.bdev.info()[3])")
    assert output == f"[] {0x600000}\n"


def test_an_offset_programs_without_erasing_and_no_offset_erases_first(board: EmulatedBoard) -> None:
    program = (
        "b = bytearray(4)\n"
        "p.writeblocks(1, b'\\x0f\\xff\\xff\\xff', 8); p.writeblocks(1, b'\\xf1\\x55', 8)\n"
        "p.readblocks(1, b, 8); print(b)\n"
        "p.writeblocks(1, b'\\x33' * 4096); p.readblocks(1, b, 8); print(b)\n"
        "print(p.ioctl(6, 1)); p.readblocks(1, b, 8); print(b)"
    )
    erased = "bytearray(b'\\xff\\xff\\xff\\xff')"
    assert keys(board, program) == f"bytearray(b'\\x01U\\xff\\xff')\nbytearray(b'3333')\n0\n{erased}\n"


def test_erasing_one_sector_leaves_the_other(board: EmulatedBoard) -> None:
    keys(board, "p.writeblocks(0, b'\\0' * 8192)\np.ioctl(6, 0)")
    assert board.flash.read(KEYS_AT, 2 * SECTOR) == b"\xff" * SECTOR + bytes(SECTOR)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("p.readblocks(1, bytearray(8), 4092)", "(-260, 'ESP_ERR_INVALID_SIZE')"),
        ("p.readblocks(3, bytearray(1))", "(-258, 'ESP_ERR_INVALID_ARG')"),
        ("p.writeblocks(2, b'x', 0)", "(-260, 'ESP_ERR_INVALID_SIZE')"),
        ("p.writeblocks(0, b'x')", "(-260, 'ESP_ERR_INVALID_SIZE')"),
        ("p.ioctl(6, 2)", "(-260, 'ESP_ERR_INVALID_SIZE')"),
    ],
)
def test_nothing_reaches_beyond_the_partition(board: EmulatedBoard, call: str, error: str) -> None:
    program = f"try:\n    {call}\nexcept OSError as refused:\n    print(refused.args)"
    assert keys(board, program) == f"{error}\n"
