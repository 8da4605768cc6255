"""The board's serial port: a pseudo-terminal that mpremote opens like any board on USB."""

import contextlib
import os
import pty
import termios
import time
import tty
from pathlib import Path

from hadeda.errors import EmulatorError

STALE_S = 1.0  # nobody has read for so long: nobody is there


class SerialPort:
    """`link` is a symbolic link to the pseudo-terminal, under a name that stays."""

    def __init__(self, link: Path | None = None) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)  # held open, so that the line stays raw between two users
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._pending = bytearray()
        self._blocked_since: float | None = None
        self._abandoned = False
        self._last = b""
        self._link = link
        if link is not None:
            self._make_link(link)

    def _make_link(self, link: Path) -> None:
        if link.is_symlink():
            link.unlink()
        try:
            link.symlink_to(self.path)
        except OSError as error:
            self.close()
            reason = error.strerror or "cannot be made"
            raise EmulatorError(f"{link}: {reason}", "name a path that is free for --serial-link") from error

    def fileno(self) -> int:
        """For a selector: readable when somebody typed."""
        return self._master

    def read(self) -> bytes:
        """What the other side has sent."""
        try:
            data = os.read(self._master, 4096)
        except OSError:
            return b""
        self._abandoned = False
        return data

    def write(self, data: bytes, binary: bool = False) -> None:
        """To whoever is connected; line ends become CR LF, as the port's console writes them, unless it is `binary`."""
        if binary:
            self._pending += data
            self.flush()
            return
        for_terminal = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if self._last == b"\r" and data[:1] == b"\n":
            for_terminal = for_terminal[1:]
        self._last = data[-1:] or self._last
        self._pending += for_terminal
        self.flush()

    def flush(self) -> None:
        """Push out what is pending; what nobody reads for a second is dropped, as on a cable that is not plugged in."""
        while self._pending:
            try:
                count = os.write(self._master, self._pending[:4096])
            except BlockingIOError:
                self._on_blocked()
                return
            del self._pending[:count]
            self._blocked_since = None

    @property
    def pending(self) -> bool:
        """Whether there is output that did not fit yet."""
        return bool(self._pending)

    def _on_blocked(self) -> None:
        now = time.monotonic()
        self._blocked_since = self._blocked_since or now
        if self._abandoned or now - self._blocked_since > STALE_S:
            self._abandoned = True  # until somebody types
            termios.tcflush(self._slave, termios.TCIFLUSH)
            self._pending.clear()
            self._blocked_since = None

    def close(self) -> None:
        """Unplug."""
        if self._link is not None and self._link.is_symlink() and str(self._link.readlink()) == self.path:
            self._link.unlink()
        for fd in (self._master, self._slave):
            with contextlib.suppress(OSError):
                os.close(fd)
