"""A chip in its ROM's loader at the end of a cable, for esptool to find: a pseudo-terminal and the emulator's model."""

import contextlib
import os
import pty
import threading
import tty
from types import TracebackType
from typing import Self

from hadeda.board import Board
from hadeda.emulator.flash import Flash
from hadeda.emulator.rom_loader import RomLoader


class PluggedIn:
    """`board`'s chip with `flash_mb` of flash at `port`; `unplug_at`: the cable goes after so many commands."""

    def __init__(self, board: Board, flash_mb: int | None = None, unplug_at: int | None = None) -> None:
        self.flash = Flash((flash_mb or board.flash_mb) << 20)
        self.loader = RomLoader(board.silicon, self.flash)
        self._unplug_at = unplug_at
        self._computer, self._cable = pty.openpty()
        tty.setraw(self._cable)
        self.port = os.ttyname(self._cable)
        self._thread = threading.Thread(target=self._live, daemon=True)

    def _live(self) -> None:
        with contextlib.suppress(OSError):
            while self._unplug_at is None or len(self.loader.commands) < self._unplug_at:
                answer = self.loader.receive(os.read(self._computer, 4096))
                while answer:
                    answer = answer[os.write(self._computer, answer[:4096]) :]
            self.unplug()

    def unplug(self) -> None:
        """Pull the cable: whoever has the port open gets errors from now on."""
        for fd in (self._cable, self._computer):
            with contextlib.suppress(OSError):
                os.close(fd)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unplug_at = 0
        with contextlib.suppress(OSError):
            os.write(self._cable, b"\xc0")  # ends the read that is under way
        self._thread.join(5)
        self.unplug()
        self.flash.close()
