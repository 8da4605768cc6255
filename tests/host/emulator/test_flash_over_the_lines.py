"""A serial port with DTR and RTS: unmodified esptool resets an emulated board into its loader, and out of it again."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from serial import rfc2217

from hadeda.board import load
from hadeda.emulator import serial_over_tcp
from hadeda.emulator.board import EmulatedBoard
from hadeda.emulator.serial_over_tcp import Lines, serve
from hadeda.emulator.serial_port import SerialPort
from hadeda.errors import EmulatorError, PortError
from hadeda.flash import device
from hadeda.flash import firmware as firmwares
from hadeda.provision.port import NodePort
from hadeda.scenario import World

KEPT = Path(__file__).parents[1] / "flash" / "minimal-esp32.bin"
BOARD = load("esp32-devkitc-v4")


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> tuple[Lines, list[object]]:
    """Lines without patience, and what they do to a board: "held", then True for its loader, False for its program."""
    monkeypatch.setattr(serial_over_tcp, "RISE_S", 0.0)
    done: list[object] = []
    return Lines(lambda: done.append("held"), done.append), done


def put(lines: Lines, *levels: tuple[bool, bool]) -> None:
    """(DTR, RTS), one pair after the other, as a network brings them: one line at a time."""
    for dtr, rts in levels:
        lines.dtr = dtr
        lines.rts = rts


def test_the_sequence_that_esptool_plays_leads_into_the_loader(lines: tuple[Lines, list[object]]) -> None:
    port, done = lines
    put(port, (False, True), (True, False), (False, False))
    port.look()
    assert done == ["held", True]


def test_rts_alone_is_the_reset_button(lines: tuple[Lines, list[object]]) -> None:
    port, done = lines
    put(port, (False, True), (False, False))
    port.look()
    port.look()
    assert done == ["held", False]


def test_who_opens_the_port_right_after_a_reset_finds_the_program(lines: tuple[Lines, list[object]]) -> None:
    port, done = lines
    put(port, (False, True), (False, False), (True, False), (True, True))
    port.look()
    assert done == ["held", False]


def test_a_program_that_opens_the_port_resets_nothing(lines: tuple[Lines, list[object]]) -> None:
    port, done = lines
    put(port, (True, True), (True, False), (False, False))
    port.look()
    assert done == []


def test_held_is_held_until_it_is_let_go(lines: tuple[Lines, list[object]]) -> None:
    port, done = lines
    put(port, (False, True), (False, True))
    port.look()
    assert done == ["held"]


@pytest.fixture
def emulated() -> Iterator[EmulatedBoard]:
    made = EmulatedBoard(BOARD, World(seed=1), seed=1, serial=SerialPort())
    thread = threading.Thread(target=made.run, daemon=True)
    made.power_on()
    thread.start()
    yield made
    made.stop()
    thread.join()
    made.close()


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # of pyserial's RFC 2217
def test_a_running_board_is_flashed_and_runs_again(emulated: EmulatedBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = SimpleNamespace(sleep=lambda s: time.sleep(s / 10), time=time.time, monotonic=time.monotonic)
    monkeypatch.setattr(rfc2217, "time", quick)  # it looks for each answer every twentieth of a second
    served = serve(emulated)
    try:
        with NodePort(served.url) as port:
            port.run("open('before.txt', 'w').write('an earlier life')")
        done = device.flash(served.url, BOARD, firmwares.read(KEPT, BOARD), device.Progress())
        assert done.restarted
        with NodePort(served.url) as port:
            assert "before.txt" not in port.run("import os\nprint(os.listdir())")
        assert emulated.resets[-2:] == [1, 5]  # power on, and the soft reset of whoever looks
    finally:
        served.close()


def test_a_tcp_port_that_is_taken(emulated: EmulatedBoard) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(EmulatorError, match="cannot be had"):
        serve(emulated, taken.getsockname()[1])


def test_a_network_port_where_nobody_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
    with pytest.raises(PortError):
        device.flash(f"rfc2217://127.0.0.1:{number}", BOARD, firmwares.read(KEPT, BOARD), device.Progress())
    with pytest.raises(PortError):
        NodePort(f"rfc2217://127.0.0.1:{number}")
