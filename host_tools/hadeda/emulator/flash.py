"""The board's NOR flash in an image file: programming only clears bits, erasing works by sectors.

When the supply fails, a program has got as far as some byte; an erase has not begun, or leaves the sector with
arbitrary bits: a NOR chip first programs every cell of it and then lifts them all, in steps, and can stop anywhere.
"""

import mmap
import os
import random
import struct
import weakref
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile

from hadeda.emulator.errors import EINVAL, BoardOSError
from hadeda.emulator.surface import opcodes
from hadeda.errors import EmulatorError

SECTOR = 4096
_ERASED = b"\xff"


class PowerCut(Exception):
    """Raised by `before_change`: the supply fails there, after `done` bytes of a program, or for an erase before it.

    With `garbage` an erase had begun: that number is the seed of the bits that it leaves.
    """

    def __init__(self, done: int = 0, garbage: int | None = None) -> None:
        super().__init__(done, garbage)
        self.done = done
        self.garbage = garbage


class Flash:
    """`path` is created erased when it is not there; None keeps the flash only while it is used.

    `programs` and `erases` count operations, `wear` the erases of each sector; `fd` is the image for the processor,
    which reads as it likes. `before_change` is called before every program (address, data) and erase (address, None): a
    test cuts the power there, by raising PowerCut.
    """

    def __init__(self, size: int, path: Path | None = None) -> None:
        self.size = size
        self.programs = self.erases = 0
        self.wear = [0] * (size // SECTOR)
        self.before_change: Callable[[int, bytes | None], None] | None = None
        self.fd = _open(path, size)
        self._closing = weakref.finalize(self, os.close, self.fd)
        self._map = mmap.mmap(self.fd, size)

    def read(self, address: int, count: int) -> bytes:
        """`count` bytes from `address`."""
        self._check(address, count)
        return self._map[address : address + count]

    def program(self, address: int, data: bytes) -> None:
        """Clear the bits that are 0 in `data`."""
        self._check(address, len(data))
        if self.before_change:
            try:
                self.before_change(address, data)
            except PowerCut as cut:
                self._clear_bits(address, data[: cut.done])
                raise
        self.programs += 1
        self._clear_bits(address, data)

    def _clear_bits(self, address: int, data: bytes) -> None:
        end = address + len(data)
        both = int.from_bytes(self._map[address:end], "big") & int.from_bytes(data, "big")
        self._map[address:end] = both.to_bytes(len(data), "big")

    def erase(self, address: int, count: int) -> None:
        """Set whole sectors to ones."""
        self._check(address, count)
        if address % SECTOR or count % SECTOR:
            raise BoardOSError(EINVAL)
        for sector in range(address, address + count, SECTOR):
            if self.before_change:
                try:
                    self.before_change(sector, None)
                except PowerCut as cut:
                    if cut.garbage is not None:
                        noise = random.Random(f"{cut.garbage} {sector}").randbytes(SECTOR)
                        self._map[sector : sector + SECTOR] = noise
                    raise
            self.erases += 1
            self.wear[sector // SECTOR] += 1
            self._map[sector : sector + SECTOR] = _ERASED * SECTOR

    def rot(self, address: int, bits: int) -> None:
        """Bits of a byte turn over by themselves."""
        self._map[address] ^= bits

    def image(self) -> bytes:
        """All of it, as a thief with a clip on the chip would read it."""
        return self._map[:]

    def close(self) -> None:
        """Write everything to the image file and let go of it."""
        self._map.flush()
        self._map.close()
        self._closing()

    def _check(self, address: int, count: int) -> None:
        if address < 0 or count < 0 or address + count > self.size:
            raise BoardOSError(EINVAL)

    def handlers(self) -> dict[int, Callable[[bytes], bytes]]:
        """Opcode -> what answers it."""
        return {
            opcodes.FLASH_WRITE: self._on_write,
            opcodes.FLASH_ERASE: self._on_erase,
        }

    def _on_write(self, payload: bytes) -> bytes:
        self.program(struct.unpack_from("<I", payload)[0], payload[4:])
        return b""

    def _on_erase(self, payload: bytes) -> bytes:
        self.erase(*struct.unpack("<II", payload))
        return b""


def _open(path: Path | None, size: int) -> int:
    if path is None:
        with TemporaryFile() as file:
            file.write(_ERASED * size)
            file.flush()
            return os.dup(file.fileno())
    if not path.exists():
        path.write_bytes(_ERASED * size)
    elif path.stat().st_size != size:
        raise EmulatorError(
            f"{path} is {path.stat().st_size} bytes, the board's flash is {size}",
            "name the image of this board, or a new file to start with an erased flash",
        )
    return os.open(path, os.O_RDWR)
