"""One run of a board's processor: a MicroPython process with its wire, its console pipes and nothing else."""

import contextlib
import os
import signal
import socket
import subprocess

from hadeda.emulator.interpreter import SURFACE, Interpreter

WIRE_FD = 3


class Processor:
    """Runs from power-up to the next reset. `heap` is the MicroPython heap in bytes."""

    def __init__(self, interpreter: Interpreter, heap: int) -> None:
        self.wire, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        folder = ".frozen/surface" if interpreter.exact else str(SURFACE / "surface")
        frozen = [] if interpreter.exact else [str(SURFACE / "stock")]
        program = f"import sys; sys.path[:] = {[folder, '.frozen', *frozen]!r}; import _main"
        command = [str(interpreter.path), "-X", f"heapsize={heap}", "-c", program]
        self._process = subprocess.Popen(
            _with_wire(theirs.fileno(), command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,  # Ctrl-C at the host's terminal is for the host
            cwd="/",
            env={"PATH": os.defpath},
        )
        theirs.close()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.console_in = self._process.stdin
        self.console_out = self._process.stdout
        os.set_blocking(self.console_out.fileno(), False)
        os.set_blocking(self.console_in.fileno(), False)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def interrupt(self) -> None:
        """Ctrl-C."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)

    def output(self) -> bytes:
        """What it printed since the last call."""
        try:
            return os.read(self.console_out.fileno(), 65536)
        except (BlockingIOError, OSError):
            return b""

    def kill(self) -> bytes:
        """Power off, at once; returns what it had still printed."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        rest = b""
        while chunk := self.output():
            rest += chunk
        self.wire.close()
        with contextlib.suppress(BrokenPipeError):
            self.console_in.close()
        self.console_out.close()
        return rest


def _with_wire(fd: int, command: list[str]) -> list[str]:
    """The wire must be file descriptor 3, which is where the board looks for it."""
    if fd == WIRE_FD:
        return command
    return ["/bin/sh", "-c", f'exec "$@" {WIRE_FD}<&{fd} {fd}<&-', "sh", *command]
