"""The tests' view into a flash image finds the file system under our partition table and under the stock one."""

from pathlib import Path

import flash_image
import pytest

from hadeda.board import load
from hadeda.emulator.board import EmulatedBoard
from hadeda.emulator.clock import VirtualTime
from hadeda.scenario import World


@pytest.mark.parametrize("stock_partitions", [False, True])
def test_files_are_found_in_either_table(tmp_path: Path, stock_partitions: bool) -> None:
    board, image = load("esp32-devkitc-v4"), tmp_path / "flash.bin"
    emulated = EmulatedBoard(
        board, World(), seed=7, clock=VirtualTime(), flash_file=image, stock_partitions=stock_partitions
    )
    emulated.power_on()
    emulated.run(until=lambda: b">>> " in emulated.output)
    emulated.close()
    assert list(flash_image.files(image, board)) == ["/boot.py"]
    assert flash_image.change(image, board, {"/new": b"1"})["/new"] == b"1"
