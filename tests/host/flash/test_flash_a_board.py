"""Flashing through esptool, unmodified, at the emulator's model of the ROM's loader; everything that can go wrong."""

import errno
import itertools
import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import serial
from esptool import cmds
from made_firmware import firmware
from plugged_in import PluggedIn
from serial.tools import list_ports
from typer.testing import CliRunner

from hadeda.board import Board, load, names
from hadeda.cli.main import app
from hadeda.errors import FlashError, HadedaError, PortError
from hadeda.flash import device, layout
from hadeda.flash import firmware as firmwares
from hadeda.flash.firmware import Firmware

RUN = CliRunner()
ESP32, C3 = "esp32-devkitc-v4", "esp32-c3-devkitm-1"
ONE_BOARD_OF_EACH_CHIP = [ESP32, C3, "esp32-c6-devkitc-1", "esp32-s3-devkitc-1"]


def file_for(board: Board, tmp_path: Path) -> Firmware:
    file = tmp_path / "firmware.bin"
    file.write_bytes(firmware(board.chip, padding=150_000))
    return firmwares.read(file, board)


class Watched(device.Progress):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.bytes: list[tuple[int, int]] = []

    def step(self, name: str) -> None:
        self.steps.append(name)

    def written(self, done: int, total: int) -> None:
        self.bytes.append((done, total))


def expected(board: Board, made: Firmware) -> bytes:
    return layout.flash_image(board, layout.regions(board, made))


@pytest.mark.parametrize("name", ONE_BOARD_OF_EACH_CHIP)
def test_a_flashed_board_has_exactly_what_the_layout_says(name: str, tmp_path: Path) -> None:
    board = load(name)
    made, progress = file_for(board, tmp_path), Watched()
    with PluggedIn(board) as plugged:
        plugged.flash.program(0x3000, b"an earlier life")
        plugged.flash.program((board.flash_mb << 20) - 4096, b"its keys")
        done = device.flash(plugged.port, board, made, progress, keys_may_go=True)
        assert plugged.flash.image() == expected(board, made)
    assert (done.chip, done.flash_mb, done.restarted) == (board.silicon.title, board.flash_mb, False)
    assert progress.steps[-1] == "verify"
    assert progress.steps.index("erase") < progress.steps.index("write MicroPython")
    assert progress.bytes[-1][0] == progress.bytes[-1][1]


@pytest.mark.parametrize(("name", "plugged_in"), list(itertools.permutations(ONE_BOARD_OF_EACH_CHIP, 2)))
def test_a_wrong_chip_is_told_before_anything_changes(name: str, plugged_in: str, tmp_path: Path) -> None:
    board, other = load(name), load(plugged_in)
    with PluggedIn(other, board.flash_mb) as plugged:
        with pytest.raises(FlashError) as caught:
            device.flash(plugged.port, board, file_for(board, tmp_path), Watched())
        assert f"is an {other.silicon.title}, {name} has an {board.silicon.title}" in str(caught.value)
        assert "nothing was changed" in str(caught.value)
        assert (plugged.flash.erases, plugged.flash.programs) == (0, 0)


@pytest.mark.parametrize("flash_mb", [1, 2, 8, 16])
def test_a_flash_of_another_size_is_told_before_anything_changes(flash_mb: int, tmp_path: Path) -> None:
    board = load(ESP32)
    with PluggedIn(board, flash_mb) as plugged:
        with pytest.raises(FlashError, match=f"has {flash_mb} MB, {ESP32} has 4 MB"):
            device.flash(plugged.port, board, file_for(board, tmp_path), Watched())
        assert (plugged.flash.erases, plugged.flash.programs) == (0, 0)


def commands_of_a_flashing(board: Board, tmp_path: Path) -> list[int]:
    with PluggedIn(board) as plugged:
        device.flash(plugged.port, board, file_for(board, tmp_path), Watched())
        return list(plugged.loader.commands)


def test_unplugged_at_every_stage_it_says_so_and_starts_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The cable goes after every single command, but for those in a row that do the same.

    esptool waits some seconds for a cable that comes back; not here.
    """
    monkeypatch.setattr(cmds, "time", SimpleNamespace(sleep=lambda _s: None, time=time.time))
    board = load(C3)
    made = file_for(board, tmp_path)
    commands = commands_of_a_flashing(board, tmp_path)
    places = [at for at in range(1, len(commands)) if at < 2 or commands[at] != commands[at - 1]]
    assert len(places) > 20
    said = set()
    for at in places:
        with PluggedIn(board, unplug_at=at) as plugged, pytest.raises(HadedaError) as caught:
            device.flash(plugged.port, board, made, Watched())
        words = str(caught.value)
        said.add((type(caught.value), "nothing was changed" in words, "it starts over" in words))
        if plugged.flash.erases:
            assert "it starts over, and the board is not harmed" in words
    assert said == {(PortError, False, False), (FlashError, True, False), (FlashError, False, True)}
    with PluggedIn(board) as plugged:  # the same command again
        device.flash(plugged.port, board, made, Watched())
        assert plugged.flash.image() == expected(board, made)


def test_flashing_over_a_half_flashed_board_makes_it_whole(tmp_path: Path) -> None:
    board = load(ESP32)
    made = file_for(board, tmp_path)
    with PluggedIn(board) as plugged:
        plugged.flash.program(0, expected(board, made)[: 0x10000 + 5000])
        device.flash(plugged.port, board, made, Watched())
        assert plugged.flash.image() == expected(board, made)


def test_a_flash_that_does_not_keep_what_is_written(tmp_path: Path) -> None:
    board = load(ESP32)
    with PluggedIn(board) as plugged:
        clear = plugged.flash.program

        def stuck(address: int, data: bytes) -> None:
            clear(address, data)
            if address <= 0x200000:
                clear(0x300000, b"\x00")  # a bit of the erased part

        plugged.flash.program = stuck  # type: ignore[method-assign]
        with pytest.raises(FlashError, match="does not keep what was written"):
            device.flash(plugged.port, board, file_for(board, tmp_path), Watched())


def test_a_port_that_another_program_has(tmp_path: Path) -> None:
    board = load(ESP32)
    with PluggedIn(board) as plugged, serial.Serial(plugged.port, exclusive=True):
        with pytest.raises(PortError, match="close the program that uses it"):
            device.flash(plugged.port, board, file_for(board, tmp_path), Watched())
        assert not plugged.loader.commands


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    board = load(ESP32)
    with pytest.raises(PortError, match="there is no serial port"):
        device.flash("/dev/ttyUSB999", board, file_for(board, tmp_path), Watched())


def test_a_board_that_is_not_in_its_loader(tmp_path: Path) -> None:
    board = load(ESP32)
    with PluggedIn(board) as plugged:
        plugged.loader.receive = lambda _data: b""  # type: ignore[method-assign]
        with pytest.raises(PortError, match="hold BOOT, press RESET"):
            device.flash(plugged.port, board, file_for(board, tmp_path), Watched())


# eFuses SECURE_BOOT_EN and SPI_BOOT_CRYPT_CNT of the C3, ABS_DONE and FLASH_CRYPT_CNT of the ESP32
LOCKS = [
    (C3, {0x60008838: 1 << 20}, 0, "secure boot"),
    (C3, {0x60008834: 1 << 18}, 0, "flash encryption"),
    (C3, {}, 1 << 2, "secure download mode"),
    (ESP32, {0x3FF5A018: 1 << 4}, 0, "secure boot"),
    (ESP32, {0x3FF5A000: 1 << 20}, 0, "flash encryption"),
]


@pytest.mark.parametrize(("name", "registers", "flags", "words"), LOCKS)
def test_a_locked_chip_is_left_alone(
    name: str, registers: dict[int, int], flags: int, words: str, tmp_path: Path
) -> None:
    board = load(name)
    with PluggedIn(board) as plugged:
        plugged.loader.burn(registers, flags)
        with pytest.raises(FlashError, match=f"has {words} switched on"):
            device.flash(plugged.port, board, file_for(board, tmp_path), Watched())
        assert (plugged.flash.erases, plugged.flash.programs) == (0, 0)


def test_a_nodes_keys_go_only_when_they_may(tmp_path: Path) -> None:
    board = load(ESP32)
    made = file_for(board, tmp_path)
    with PluggedIn(board) as plugged:
        plugged.flash.program((4 << 20) - 8192, b"HKR2")
        before = plugged.flash.image()
        command = ["board", "flash", ESP32, "--firmware", str(made.file), "--port", plugged.port]
        refused = RUN.invoke(app, command)
        assert refused.exit_code == 1
        assert "something where a node keeps its keys" in refused.stderr
        assert plugged.flash.image() == before
        assert RUN.invoke(app, [*command, "--yes"]).exit_code == 0
        assert plugged.flash.image() == expected(board, made)


def ports(monkeypatch: pytest.MonkeyPatch, *devices: str) -> None:
    monkeypatch.setattr(list_ports, "comports", lambda: [SimpleNamespace(device=device) for device in devices])


def test_the_command_flashes_the_only_board(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    board = load(ESP32)
    made = file_for(board, tmp_path)
    with PluggedIn(board) as plugged:
        ports(monkeypatch, "/dev/ttyS0", plugged.port)
        result = RUN.invoke(app, ["board", "flash", ESP32, "--firmware", str(made.file), "--json"])
        assert result.exit_code == 0, result.output
        assert plugged.flash.image() == expected(board, made)
        answer = json.loads(result.stdout)
        assert (answer["port"], answer["micropython"]) == (plugged.port, "1.24.1")
        assert "press RESET" not in result.stdout


def test_the_command_says_what_is_next(tmp_path: Path) -> None:
    board = load(ESP32)
    made = file_for(board, tmp_path)
    with PluggedIn(board) as plugged:
        result = RUN.invoke(app, ["board", "flash", ESP32, "--firmware", str(made.file), "--port", plugged.port])
    assert result.exit_code == 0, result.output
    next_step = f"next: hadeda node provision --port {plugged.port} --board {ESP32}"
    for words in ("erase", "write MicroPython", "verify", "press RESET", next_step):
        assert words in result.stderr


def test_a_ctrl_c_says_what_it_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    board = load(ESP32)
    made = file_for(board, tmp_path)
    with PluggedIn(board) as plugged:

        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(cmds, "write_flash", stop)
        result = RUN.invoke(app, ["board", "flash", ESP32, "--firmware", str(made.file), "--port", plugged.port])
        assert result.exit_code == 130
        assert "starts again when it has been flashed anew" in result.stderr
        monkeypatch.undo()
        device.flash(plugged.port, board, made, Watched())
        assert plugged.flash.image() == expected(board, made)


def test_two_boards_plugged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = file_for(load(ESP32), tmp_path)
    ports(monkeypatch, "/dev/ttyUSB1", "/dev/ttyUSB0", "/dev/ttyS0")
    result = RUN.invoke(app, ["board", "flash", ESP32, "--firmware", str(made.file)])
    assert result.exit_code == 1
    assert "more than one board is plugged in: say which with --port: /dev/ttyUSB0, /dev/ttyUSB1" in result.stderr


def test_no_board_plugged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = file_for(load(ESP32), tmp_path)
    ports(monkeypatch, "/dev/ttyS0")
    result = RUN.invoke(app, ["board", "flash", ESP32, "--firmware", str(made.file)])
    assert result.exit_code == 1
    assert "no board is in sight" in result.stderr


def test_a_bad_file_is_told_before_a_port_is_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "firmware.bin"
    file.write_bytes(firmware("esp32c3"))
    monkeypatch.setattr(list_ports, "comports", lambda: pytest.fail("looked for a port"))
    result = RUN.invoke(app, ["board", "flash", ESP32, "--firmware", str(file)])
    assert result.exit_code == 1
    assert "is for an ESP32-C3" in result.stderr


@pytest.mark.parametrize("name", names())
def test_the_page_says_which_file_and_where_it_is(name: str) -> None:
    page = (Path(__file__).parents[3] / "boards" / name / "README.md").read_text(encoding="utf-8")
    image = load(name).micropython.image
    assert f"`{image}-YYYYMMDD-vX.Y.Z.bin`" in page
    assert f"https://micropython.org/download/{image}/" in page


def test_an_error_of_the_port_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    board = load(ESP32)

    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with PluggedIn(board) as plugged:
        monkeypatch.setattr(device.serial, "serial_for_url", broken)
        with pytest.raises(PortError, match="plug the board out and in again"):
            device.flash(plugged.port, board, file_for(board, tmp_path), Watched())
