"""`hadeda emulate --download`: an emulated board is flashed like a real one, and starts what it then has in flash."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from esptool import loader

from hadeda.board import Board, load, partitions
from hadeda.emulator.board import EmulatedBoard
from hadeda.emulator.flash import PowerCut
from hadeda.emulator.serial_port import SerialPort
from hadeda.errors import FlashError
from hadeda.flash import device, layout
from hadeda.flash import firmware as firmwares
from hadeda.flash.firmware import Firmware
from hadeda.provision.port import NodePort
from hadeda.scenario import World

KEPT = Path(__file__).parents[1] / "flash" / "minimal-esp32.bin"
BOARD = "esp32-devkitc-v4"


@pytest.fixture
def board() -> Board:
    return load(BOARD)


@pytest.fixture
def firmware(board: Board) -> Firmware:
    return firmwares.read(KEPT, board)


@contextmanager
def living(emulated: EmulatedBoard) -> Iterator[EmulatedBoard]:
    """It runs in a thread of its own meanwhile."""
    thread = threading.Thread(target=emulated.run, daemon=True)
    thread.start()
    try:
        yield emulated
    finally:
        emulated.stop()
        thread.join()


@pytest.fixture
def emulated(board: Board) -> Iterator[EmulatedBoard]:
    made = EmulatedBoard(board, World(seed=1), seed=1, serial=SerialPort(), stock_partitions=True)
    yield made
    made.close()


def port_of(emulated: EmulatedBoard) -> str:
    assert emulated.serial is not None
    return emulated.serial.path


def test_it_is_flashed_and_starts_with_our_partitions(
    emulated: EmulatedBoard, board: Board, firmware: Firmware
) -> None:
    emulated.power_on(download=True)
    with living(emulated):
        device.flash(port_of(emulated), board, firmware, device.Progress())
    emulated.power_off()
    assert emulated.flash.image() == layout.flash_image(board, layout.regions(board, firmware))
    emulated.power_on()
    with living(emulated), NodePort(port_of(emulated)) as port:
        found = port.run("from esp32 import Partition as P\nprint([p.info() for p in P.find(1)])")
    ours = [tuple(row) for row in partitions.hadeda(board.flash_mb) if row.type == partitions.TYPE_DATA]
    assert found.strip() == repr(ours)


@pytest.mark.parametrize("step", ["erase", "bootloader", "partition table", "MicroPython"])
def test_power_that_fails_while_it_is_flashed_leaves_a_board_that_does_not_start_and_can_be_flashed(
    emulated: EmulatedBoard, board: Board, firmware: Firmware, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "CHIP_ERASE_TIMEOUT", 2)  # esptool would wait two minutes for a chip to be erased
    places = {"bootloader": 0x1000, "partition table": 0x8000, "MicroPython": 0x10000}

    def fail(address: int, data: bytes | None) -> None:
        if (data is None and step == "erase" and address == 0x20000) or (
            data is not None and address == places.get(step)
        ):
            raise PowerCut(done=len(data or b"") // 2)

    emulated.flash.before_change = fail
    emulated.power_on(download=True)
    with living(emulated), pytest.raises(FlashError, match="starts over, and the board is not harmed"):
        device.flash(port_of(emulated), board, firmware, device.Progress())
    assert not emulated.powered
    emulated.flash.before_change = None
    emulated.power_on()
    assert not emulated.powered
    assert (
        b"invalid header" in emulated.output
        or b"partition table invalid" in emulated.output
        or (b"No bootable app partitions" in emulated.output)
    )
    emulated.power_on(download=True)
    with living(emulated):
        device.flash(port_of(emulated), board, firmware, device.Progress())
    emulated.power_off()
    emulated.power_on()
    assert emulated.powered


def test_an_image_that_was_never_flashed_starts_as_ever(emulated: EmulatedBoard) -> None:
    emulated.power_on()
    with living(emulated), NodePort(port_of(emulated)) as port:
        assert port.run("from esp32 import Partition as P\nprint(P.find(1, label='node_keys'))").strip() == "[]"


def test_a_whole_image_is_booted_with_the_nodes_code_on_it(board: Board, firmware: Firmware, tmp_path: Path) -> None:
    files = {"/lib/there.py": b"print('the node is there')\n"}
    file = tmp_path / "flash.bin"
    regions = [*layout.regions(board, firmware), layout.files_region(board, files)]
    file.write_bytes(layout.flash_image(board, regions))
    emulated = EmulatedBoard(board, World(seed=1), seed=1, serial=SerialPort(), flash_file=file)
    emulated.power_on()
    try:
        with living(emulated), NodePort(port_of(emulated)) as port:
            assert port.run("import there").strip() == "the node is there"
            assert port.run("import os; print(os.statvfs('/')[2])").strip() == "510"
    finally:
        emulated.close()
