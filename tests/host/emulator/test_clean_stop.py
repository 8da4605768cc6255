"""Whatever ends the host's program, no board process stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

HOST = """\
from pathlib import Path
from hadeda.board import load
from hadeda.emulator.board import EmulatedBoard
from hadeda.emulator.serial_port import SerialPort
from hadeda.scenario import World
serial = SerialPort(Path({link!r}))
board = EmulatedBoard(load('esp32-devkitc-v4'), World(), serial=serial)
board.power_on()
try:
    board.run(until=lambda: board.output.endswith(b'>>> '))
    print('up', flush=True)
    board.type({program!r})
    board.run()
except KeyboardInterrupt:
    pass
finally:
    board.close()
print('down', flush=True)
"""


def children(pid: int) -> list[int]:
    text = "".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(child) for child in text.split()]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def gone(pids: list[int], timeout_s: float = 5.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(alive, pids))


@pytest.fixture(params=[b"", b"import time\rtime.sleep(1000)\r"], ids=["at the prompt", "in a sleep"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A host program with a board; its serial link is tmp_path/tty."""
    program = HOST.format(link=str(tmp_path / "tty"), program=request.param)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    time.sleep(0.2)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_ctrl_c_stops_cleanly(host: subprocess.Popen[str], tmp_path: Path) -> None:
    boards = children(host.pid)
    assert boards
    host.send_signal(signal.SIGINT)
    assert host.wait(timeout=10) == 0
    assert host.stdout is not None
    assert host.stdout.read() == "down\n"
    assert gone(boards)
    assert not (tmp_path / "tty").is_symlink()


def test_killed_host_takes_its_board_along(host: subprocess.Popen[str]) -> None:
    boards = children(host.pid)
    assert boards
    os.kill(host.pid, signal.SIGKILL)
    host.wait(timeout=10)
    assert gone(boards)
