"""Flashing a board through esptool: detect, compare with board.toml, erase, write, verify, reset.

Nothing is changed before chip and flash are known to be the board's. From the first erase on an interruption leaves a
board that does not start MicroPython and is not harmed: the loader is in its ROM. Flashing starts over then.

This is the only module that has esptool drive a chip; what it prints goes nowhere, its progress to the caller. Of
images it also reads the files (images.py); espefuse, which drives a chip itself, is run by security/espressif.py.
"""

import contextlib
import errno
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

import serial  # type: ignore[import-untyped]
from esp_pylib.logger import EspLog, EspLogBase
from esptool import cmds  # type: ignore[import-untyped]
from esptool.util import FatalError  # type: ignore[import-untyped]

from hadeda.board import Board, partitions
from hadeda.errors import FlashError, PortError
from hadeda.flash.firmware import Firmware
from hadeda.flash.layout import ERASED, Region, flash_image, regions
from hadeda.provision.port import LINE_LOST, require

FAST_BAUD: Final = 460_800  # every USB bridge of these boards can, and what is not one does not care
CONNECT_ATTEMPTS: Final = 3
T = TypeVar("T")


class Progress:
    """What a caller wants to know: which step has begun, and bytes written of all that there are."""

    def step(self, name: str) -> None:
        """A step begins."""

    def written(self, done: int, total: int) -> None:
        """So many bytes of this step's are on the board."""


@dataclass(frozen=True)
class Flashed:
    """How it went. `restarted`: the board was reset; where the port has no lines for that, somebody has to."""

    chip: str
    flash_mb: int
    bytes_written: int
    restarted: bool


def flash(port: str, board: Board, firmware: Firmware, progress: Progress, *, keys_may_go: bool = False) -> Flashed:
    """Make the board's flash what `layout` says, as `rewrite` does."""
    return rewrite(port, board, regions(board, firmware), progress, keys_may_go=keys_may_go)


def rewrite(
    port: str, board: Board, written: list[Region], progress: Progress, *, keys_may_go: bool = False
) -> Flashed:
    """Erase the board's flash and write these. Raises `PortError` and `FlashError`, saying what became of it.

    A node's keys are only erased when they may go: its city would have to enrol it anew.
    """
    with _quiet(progress), _Connection(port, board, progress) as chip:
        chip.require_what_the_board_says()
        chip.begin()
        if not keys_may_go:
            chip.require_no_keys()
        chip.erase()
        for region in written:
            chip.write(region)
        chip.verify(flash_image(board, written))
        restarted = chip.restart()
    return Flashed(board.silicon.title, board.flash_mb, sum(len(region.data) for region in written), restarted)


def digests(port: str, board: Board, pieces: Iterable[tuple[int, int]]) -> list[str]:
    """MD5, in hexadecimal, of pieces (address, size) of a board's flash, which stays as it is. Raises as `rewrite`."""
    progress = Progress()
    with _quiet(progress), _Connection(port, board, progress) as chip:
        chip.require_what_the_board_says()
        chip.attach()
        found = [chip.digest(address, size) for address, size in pieces]
        chip.restart()
    return found


class _Connection:
    """An open port with a chip in its loader. `changed`: something of its flash may be gone by now."""

    def __init__(self, port: str, board: Board, progress: Progress) -> None:
        self.port = port
        self.board = board
        self.changed = False
        self._progress = progress
        self._step = ""
        self._lines = False
        self._chip: Any = None

    def __enter__(self) -> Self:
        self._lines = has_lines(self.port)
        mode = "default-reset" if self._lines else "no-reset"  # then somebody has held BOOT
        self._chip = self._do(
            "connect", lambda: cmds.detect_chip(self.port, connect_mode=mode, connect_attempts=CONNECT_ATTEMPTS)
        )
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, serial.SerialException):
            self._chip._port.close()

    def require_what_the_board_says(self) -> None:
        """Chip and flash are those of board.toml, and nothing is locked."""
        found, wanted = str(self._chip.CHIP_NAME), self.board.silicon.title
        if found != wanted:
            raise FlashError(
                f"the chip on {self.port} is an {found}, {self.board.name} has an {wanted}",
                "name the right board; nothing was changed",
            )
        locked = self._do("read the security settings", self._is_locked)
        if locked:
            raise FlashError(
                f"the chip on {self.port} has {locked} switched on", "it takes signed or encrypted images only"
            )

    def _is_locked(self) -> str:
        if self._chip.secure_download_mode:
            return "secure download mode"
        if self._chip.get_secure_boot_enabled():
            return "secure boot"
        return "flash encryption" if self._chip.get_flash_encryption_enabled() else ""

    def begin(self) -> None:
        """Load esptool's stub, speed up, find the flash and hold its size to board.toml."""
        self._chip = self._do("load the flasher", lambda: cmds.run_stub(self._chip))
        self._do("change the speed", lambda: self._chip.change_baud(FAST_BAUD))
        self.attach()
        size = self._do("find the flash", lambda: cmds.detect_flash_size(self._chip))
        if size is None:
            raise FlashError(f"the flash of the board on {self.port} does not say its size", "nothing was changed")
        if size != f"{self.board.flash_mb}MB":
            raise FlashError(
                f"the flash on {self.port} has {size.removesuffix('MB')} MB, {self.board.name} has "
                f"{self.board.flash_mb} MB",
                "name the right board, or say its flash_mb in a board.toml of your own; nothing was changed",
            )

    def attach(self) -> None:
        """Have the loader, or the stub, find its flash."""
        self._do("find the flash", lambda: cmds.attach_flash(self._chip))

    def require_no_keys(self) -> None:
        """Nothing is where a node of this board has its keys."""
        row = partitions.find(partitions.hadeda(self.board.flash_mb), partitions.KEYS)
        if self.digest(row.address, row.size) != hashlib.md5(ERASED * row.size).hexdigest():
            raise FlashError(
                f"the board on {self.port} has something where a node keeps its keys",
                "nothing was changed; with --yes it is erased, and a node that it was must be provisioned again",
            )

    def digest(self, address: int, size: int) -> str:
        """MD5 of a piece of flash."""
        return str(self._do("look for keys", lambda: self._chip.flash_md5sum(address, size)))

    def erase(self) -> None:
        """All of it: nothing of an earlier life stays."""
        self.changed = True
        self._do("erase", lambda: cmds.erase_flash(self._chip))

    def write(self, region: Region) -> None:
        """Write one region; the stub compares its MD5."""
        self._do(f"write {region.name}", lambda: cmds.write_flash(self._chip, [(region.address, region.data)]))

    def verify(self, expected: bytes) -> None:
        """The whole flash, erased parts included, is what it should be."""
        digest = self._do("verify", lambda: self._chip.flash_md5sum(0, len(expected)))
        if digest != hashlib.md5(expected).hexdigest():
            raise FlashError(f"the flash on {self.port} does not keep what was written", "the board is broken")

    def restart(self) -> bool:
        """Start MicroPython, if the port has the lines that reset a board."""
        if not self._lines:
            return False
        with contextlib.suppress(FatalError, *LINE_LOST):  # it is flashed, whatever happens now
            self._chip.hard_reset()
        return True

    def _do(self, step: str, action: Callable[[], T]) -> T:
        """One step; whatever goes wrong in it becomes one line that says what state the board is in."""
        if step != self._step:
            self._step = step
            self._progress.step(step)
        try:
            return action()
        except (FatalError, *LINE_LOST) as error:
            if step == "connect":
                raise PortError(
                    f"no chip answers on {self.port}", "hold BOOT, press RESET, let go of BOOT, and try again"
                ) from error
            state = (
                "give the same command again: it starts over, and the board is not harmed"
                if self.changed
                else "nothing was changed; check the cable and try again"
            )
            raise FlashError(f"the board on {self.port} stopped answering at: {step}", state) from error


def has_lines(port: str) -> bool:
    """Whether the port has the lines that reset a board. Raises `PortError` where it cannot be opened."""
    require(port)
    try:
        with serial.serial_for_url(port, exclusive=True) as line:
            return isinstance(line.cts, bool)
    except serial.SerialException as error:
        raise PortError(f"{port} cannot be opened", "close the program that uses it") from error
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EINVAL):
            return False
        raise PortError(f"{port} cannot be opened", "plug the board out and in again") from error


class _Log(EspLogBase):
    """esptool's logger: silent, but for the bar."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def print(self, *args: Any, **kwargs: Any) -> None:
        pass

    err = warn = note = hint = debug = set_verbosity = print

    def progress_bar(self, cur_iter: int, total_iters: int, *_args: Any, **_kwargs: Any) -> None:
        self._progress.written(cur_iter, total_iters)


@contextlib.contextmanager
def _quiet(progress: Progress) -> Iterator[None]:
    before = EspLog.instance
    EspLog.instance = _Log(progress)
    try:
        yield
    finally:
        EspLog.instance = before
