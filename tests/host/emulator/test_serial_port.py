"""The board's serial port: a terminal under a name that stays, that never blocks the board for long."""

import threading
import time
from pathlib import Path

import pytest
import serial

from hadeda.emulator.serial_port import STALE_S, SerialPort
from hadeda.errors import EmulatorError


@pytest.fixture
def port() -> SerialPort:
    return SerialPort()


def test_bytes_go_both_ways_as_they_are(port: SerialPort) -> None:
    every_byte = bytes(range(256))
    with serial.Serial(port.path, timeout=1) as user:
        user.write(every_byte)
        time.sleep(0.05)
        assert port.read() == every_byte
        port.write(every_byte, binary=True)
        assert user.read(256) == every_byte
    port.close()


@pytest.mark.parametrize(
    ("pieces", "seen"),
    [
        ([b"one\ntwo\n"], b"one\r\ntwo\r\n"),
        ([b"one\r\ntwo"], b"one\r\ntwo"),
        ([b"one\r", b"\ntwo"], b"one\r\ntwo"),
        ([b"\n", b"\n"], b"\r\n\r\n"),
    ],
)
def test_line_ends_become_cr_lf(port: SerialPort, pieces: list[bytes], seen: bytes) -> None:
    with serial.Serial(port.path, timeout=0.2) as user:
        for piece in pieces:
            port.write(piece)
        assert user.read(100) == seen
    port.close()


def test_output_for_a_slow_reader_is_kept(port: SerialPort) -> None:
    flood = b"x" * 30_000 + b"end"
    got = bytearray()
    with serial.Serial(port.path, timeout=5) as user:
        reader = threading.Thread(target=lambda: got.extend(user.read(len(flood))))
        port.write(flood)
        assert port.pending
        reader.start()
        while port.pending:
            port.flush()
            time.sleep(0.001)
        reader.join()
    port.close()
    assert got == flood


def test_output_that_nobody_reads_is_dropped(port: SerialPort) -> None:
    port.write(b"x" * 30_000)
    started = time.monotonic()
    while port.pending and time.monotonic() - started < 5 * STALE_S:
        port.flush()
        time.sleep(0.05)
    assert time.monotonic() - started > STALE_S
    started = time.monotonic()
    for _ in range(20):
        port.write(b"y" * 5000)
        port.flush()
        assert not port.pending, "from then on at once"
    assert time.monotonic() - started < STALE_S
    port.close()


def test_link_leads_to_the_port_and_goes_with_it(tmp_path: Path) -> None:
    link = tmp_path / "board.tty"
    link.symlink_to("/nowhere")  # left by one that was killed
    port = SerialPort(link)
    with serial.Serial(str(link), timeout=1) as user:
        user.write(b"hello")
        time.sleep(0.05)
        assert port.read() == b"hello"
    port.close()
    assert not link.is_symlink()


def test_link_over_a_file_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "precious"
    link.write_text("data")
    with pytest.raises(EmulatorError, match="precious"):
        SerialPort(link)
    assert link.read_text() == "data"


def test_link_of_another_port_is_left_alone(tmp_path: Path) -> None:
    link = tmp_path / "board.tty"
    first, second = SerialPort(link), SerialPort(link)
    first.close()
    assert str(link.readlink()) == second.path
    second.close()
