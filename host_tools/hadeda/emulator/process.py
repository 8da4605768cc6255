"""One run of a board's processor: a MicroPython process with its wire, its console pipes and nothing else."""

import contextlib
import fcntl
import os
import signal
import socket
import struct
import subprocess
import termios
from array import array

from hadeda.emulator.interpreter import SURFACE, Interpreter

# What the board's surface itself keeps on the interpreter's heap, and the collector's tables: a real board has these
# in its firmware, so they are added to what board.toml grants. tests/host/emulator holds the sum to account.
SURFACE_KEEPS = 22_434
SURFACE_HEAP = SURFACE_KEEPS + 4_270
# How long one read of the wire waits for a program that computes
PATIENCE_US = 20_000


class Processor:
    """Runs from power-up to the next reset.

    `heap` is what a program finds free after boot, in bytes; `flash` is the open flash image, which it reads.
    """

    def __init__(self, interpreter: Interpreter, heap: int, flash: int) -> None:
        self.wire, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        folder = ".frozen/surface" if interpreter.ours else str(SURFACE / "surface")
        frozen = [] if interpreter.ours else [str(SURFACE / "stock")]
        program = f"import sys; sys.path[:] = {[folder, '.frozen', *frozen]!r}; import _main"
        command = [str(interpreter.path), "-X", f"heapsize={heap + SURFACE_HEAP}", "-c", program]
        self._process = subprocess.Popen(
            # Of one length whichever they are, or the stack would lie elsewhere, and other garbage stay
            [*command, f"{theirs.fileno():05}", f"{flash:05}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            pass_fds=(theirs.fileno(), flash),
            start_new_session=True,  # Ctrl-C at the host's terminal is for the host
            cwd="/",
            env={"PATH": os.defpath},
        )
        theirs.close()
        self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", 0, PATIENCE_US))
        self._typed = False
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.console_in = self._process.stdin
        self.console_out = self._process.stdout
        os.set_blocking(self.console_out.fileno(), False)
        os.set_blocking(self.console_in.fileno(), False)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def move_to(self, cores: set[int]) -> None:
        """Run on these cores only, where the system can do that."""
        with contextlib.suppress(ProcessLookupError, AttributeError):
            os.sched_setaffinity(self._process.pid, cores)

    def interrupt(self) -> None:
        """Ctrl-C."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)

    def type(self, data: bytes) -> None:
        """Bytes for its console; what does not fit is lost, as in a full UART."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self.console_in.fileno(), data)
            self._typed = True

    def has_input(self) -> bool:
        """Whether bytes it was sent are still unread."""
        if self._typed:
            count = array("i", [0])
            fcntl.ioctl(self.console_in, termios.FIONREAD, count)
            self._typed = count[0] > 0
        return self._typed

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
