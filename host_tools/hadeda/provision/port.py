"""A board's serial port, through mpremote's own transport; every failure becomes one line that says what to do."""

import contextlib
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import serial  # type: ignore[import-untyped]
from mpremote.transport import TransportError, TransportExecError  # type: ignore[import-untyped]
from mpremote.transport_serial import SerialTransport  # type: ignore[import-untyped]

from hadeda.errors import PortError, ProvisionError

# What pyserial raises when a line goes: while it flushes one, also the terminal's own error, which is no OSError
try:
    from termios import error as _terminal_error

    LINE_LOST: tuple[type[Exception], ...] = (OSError, serial.SerialException, _terminal_error)
except ImportError:  # Windows
    LINE_LOST = (OSError, serial.SerialException)
ATTEMPTS = 2  # a board that has just been plugged in misses the first Ctrl-C
ANSWER_S = 6
CHUNK = 2048  # bytes a write; mpremote's own 256 makes a firmware take half a minute


class NodePort:
    """An open port with the board in raw REPL, freshly soft-reset: nothing of ours is running. A context manager."""

    def __init__(self, port: str, transport: SerialTransport | None = None) -> None:
        """Open `port`, or take a `transport` that stands for it and is in raw REPL."""
        self.port = port
        self._transport = transport or _connect(port)

    def run(self, code: str, timeout_s: float = 60.0) -> str:
        """Execute Python on the board; returns what it printed. Raises ProvisionError with the board's last line."""
        with self._watched():
            output, error = self._transport.exec_raw(code, timeout=timeout_s)
            if error:
                last = error.decode(errors="replace").strip().splitlines()[-1]
                raise ProvisionError(f"the board says {last!r}", "reset the board and try again")
            return str(output.decode(errors="replace"))

    def write_file(self, path: str, data: bytes) -> None:
        """Put a file on the board: beside its place first, then renamed, so that a torn cable leaves the old one."""
        with self._watched():
            self._transport.fs_writefile(f"{path}.new", data, chunk_size=CHUNK)
            self._transport.exec(f"import os\nos.rename({path + '.new'!r}, {path!r})")

    def start_afresh(self) -> None:
        """Soft-reset: the heap is empty, and nothing stays imported of what was on the board before."""
        with self._watched():
            self._transport.enter_raw_repl(soft_reset=True)

    def reset(self) -> None:
        """Restart the board as if it were powered up, whatever runs on it; the port is closed afterwards."""
        with contextlib.suppress(TransportError, *LINE_LOST), _quiet():
            self._transport.enter_raw_repl(soft_reset=False, timeout_overall=ANSWER_S)
            self._transport.exec_raw_no_follow("import time, machine\ntime.sleep_ms(100)\nmachine.reset()")
        self.close()

    def close(self) -> None:
        """Leave the board at its friendly REPL and let go of the port."""
        with contextlib.suppress(*LINE_LOST):
            self._transport.exit_raw_repl()
        with contextlib.suppress(*LINE_LOST):
            self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            with _quiet():
                yield
        except TransportExecError as error:
            last = str(error.error_output).strip().splitlines()[-1]
            raise ProvisionError(f"the board says {last!r}", "reset the board and try again") from error
        except (TransportError, *LINE_LOST) as error:
            raise PortError(
                f"the board on {self.port} stopped answering", "check the cable and try again: what was done is kept"
            ) from error


def require(port: str) -> None:
    """The port is there, and may be opened; raises PortError. One on a network is asked for when it is opened."""
    if "://" in port:
        return
    if not port.startswith("COM") and not Path(port).exists():
        raise PortError(f"there is no serial port {port}", f"plug the board in; {_ports_in_sight()}")
    if os.name == "posix" and not os.access(port, os.R_OK | os.W_OK):
        raise PortError(f"{port} may not be opened by you", "add yourself to the group dialout and log in again")


def only_one_in_sight() -> str:
    """The port of the board that is plugged in; raises PortError where there is none, or more than one."""
    found = _in_sight()
    if len(found) == 1:
        return found[0]
    what = "more than one board is plugged in" if found else "no board is in sight"
    raise PortError(what, f"say which with --port: {', '.join(found)}" if found else "plug it in, or name its --port")


def _connect(port: str) -> SerialTransport:
    require(port)
    for _ in range(ATTEMPTS):
        try:
            with _quiet():
                transport = SerialTransport(port, timeout=5)
        except (TransportError, *LINE_LOST) as error:
            raise PortError(f"{port} cannot be opened", "close the program that uses it") from error
        try:
            with _quiet():
                transport.enter_raw_repl(soft_reset=True, timeout_overall=ANSWER_S)
        except (TransportError, *LINE_LOST):
            with contextlib.suppress(*LINE_LOST):
                transport.close()
        else:
            return transport
    raise PortError(
        f"what is on {port} is not MicroPython, or a locked node",
        "flash it first (`hadeda board flash`), open it (`hadeda node open`), or reset the board",
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """mpremote prints what it received when a board does not answer; that is for its own command line."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _ports_in_sight() -> str:
    names = _in_sight()
    return f"ports in sight: {', '.join(names)}" if names else "no board is in sight"


def _in_sight() -> list[str]:
    """Serial ports with something behind them; a PC's own are not."""
    from serial.tools.list_ports import comports  # type: ignore[import-untyped]

    return sorted(entry.device for entry in comports() if not re.match(r"/dev/ttyS\d+$", entry.device))
