"""`mpremote repl` as somebody at a keyboard uses it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from mpremote_board import PortedBoard

LEAVE = b"\x1d"  # Ctrl-]


class Terminal:
    """A keyboard and a screen with `mpremote repl` on it."""

    def __init__(self, port: str) -> None:
        self._master, slave = pty.openpty()
        command = [sys.executable, "-m", "mpremote", "connect", port, "repl"]
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        self._seen = b""

    def type(self, text: bytes) -> None:
        os.write(self._master, text)

    def expect(self, pattern: bytes, timeout: float = 10) -> bytes:
        """Wait until the screen shows it; returns everything up to there."""
        deadline = time.monotonic() + timeout
        while not (match := re.search(pattern, self._seen)):
            ready = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))[0]
            assert ready, f"not seen: {pattern!r}, but {self._seen!r}"
            self._seen += os.read(self._master, 4096)
        shown, self._seen = self._seen[: match.end()], self._seen[match.end() :]
        return shown

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@pytest.fixture
def terminal(board: PortedBoard) -> Iterator[Terminal]:
    board.ask("soft-reset")
    terminal = Terminal(board.port)
    terminal.expect(rb"to exit this shell")
    terminal.type(b"\r")
    terminal.expect(rb">>> ")
    yield terminal
    terminal.close()


def test_expressions_show_their_value(terminal: Terminal) -> None:
    terminal.type(b"6 * 7\r")
    terminal.expect(rb"6 \* 7\r\n42\r\n>>> ")


def test_backspace_and_ctrl_c_at_the_prompt(terminal: Terminal) -> None:
    terminal.type(b"6 * 8\x087\r")
    terminal.expect(rb"\r\n42\r\n>>> ")
    terminal.type(b"1 / 0\x03")
    terminal.expect(rb"1 / 0\r\n>>> ")


def test_blocks_and_brackets_go_on(terminal: Terminal) -> None:
    terminal.type(b"for i in range(2):\r")
    terminal.expect(rb"\.\.\. ")
    terminal.type(b"\x7f" * 4 + b"    print('i', i)\r" + b"\x7f" * 4 + b"\r")
    terminal.expect(rb"i 0\r\ni 1\r\n>>> ")
    terminal.type(b"(1,\r")
    terminal.expect(rb"\.\.\. ")
    terminal.type(b"2)\r")
    terminal.expect(rb"\(1, 2\)\r\n>>> ")


def test_error_and_interrupt_come_back_to_the_prompt(terminal: Terminal) -> None:
    terminal.type(b"nope\r")
    terminal.expect(rb"NameError: name 'nope' isn't defined\r\n>>> ")
    terminal.type(b"while True: pass\r")
    terminal.expect(rb"\.\.\. ")
    terminal.type(b"\x7f" * 4 + b"\r")
    time.sleep(0.3)
    terminal.type(b"\x03")
    terminal.expect(rb"KeyboardInterrupt: \r\n>>> ")


def test_paste_mode(terminal: Terminal) -> None:
    terminal.type(b"\x05")
    terminal.expect(rb"=== ")
    terminal.type(b"def f():\r    return 5\rprint(f())\r\x04")
    terminal.expect(rb"5\r\n>>> ")


def test_ctrl_d_resets(terminal: Terminal) -> None:
    terminal.type(b"ibis = 1\r")
    terminal.expect(rb">>> ")
    terminal.type(b"\x04")
    terminal.expect(rb"MPY: soft reboot\r\n")
    terminal.expect(rb">>> ")
    terminal.type(b"ibis\r")
    terminal.expect(rb"NameError")


def test_leaving(terminal: Terminal) -> None:
    terminal.type(LEAVE)
    assert terminal.process.wait(timeout=10) == 0
