"""One RISC-V board under QEMU, counting instructions, with the firmware's modules as they are shipped.

Its serial port is a pseudo-terminal, spoken to by mpremote's own transport. The modules lie in a folder in memory
while they are imported, and are let go of one by one, so that the heap holds what a node's does: their code. Tables
that a node leaves on its flash lie in memory here.
"""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from hadeda.bench.build import QEMU, Yardstick
from hadeda.errors import BenchError
from hadeda.paths import FIRMWARE
from hadeda.provision.port import NodePort
from hadeda.provision.shipment import compiled

# One instruction is one nanosecond of virtual time, and time never runs by itself.
COUNTING = ("-icount", "shift=0,sleep=off")
BOARD = ("-machine", "virt", "-bios", "none", "-nographic", "-monitor", "null", "-semihosting", "-serial", "pty")
CHUNK = 1024  # bytes a write
PIECE = 4096  # bytes of a table that stays: a used heap has no larger holes
FOLDER = """
import gc, io, sys, vfs
class Folder:
    def __init__(self):
        self.files = {}
    def mount(self, readonly, mkfs):
        pass
    def umount(self):
        pass
    def stat(self, path):
        if path in self.files:
            return (0x8000,) + (0,) * 9
        if any(name.startswith(path + "/") for name in self.files):
            return (0x4000,) + (0,) * 9
        raise OSError(2)
    def open(self, path, mode):
        content = self.files.pop(path)
        return Pieces(content) if isinstance(content, list) else io.BytesIO(content)
class Pieces:
    def __init__(self, pieces):
        self.pieces = pieces
    def seek(self, at):
        self.at = at
    def read(self, count):
        first = self.at & 4095
        return bytes(self.pieces[self.at >> 12][first : first + count])
folder = Folder()
vfs.mount(folder, "/lib")
sys.path.append("/lib")
"""


class Machine:
    """The board, powered up; a context manager. Raises BenchError when QEMU does not start."""

    def __init__(self, yardstick: Yardstick) -> None:
        command = [QEMU, *BOARD, *COUNTING, "-kernel", str(yardstick.elf)]
        none, pipe = subprocess.DEVNULL, subprocess.PIPE
        self._qemu = subprocess.Popen(command, stdin=none, stdout=pipe, stderr=subprocess.STDOUT, text=True)
        assert self._qemu.stdout is not None
        said = self._qemu.stdout.readline()
        found = re.search(r"/dev/\S+", said)
        if not found:
            self._stop()
            raise BenchError(f"QEMU did not start: {said.strip()!r}", f"run: {' '.join(command)}")
        try:
            self._port = NodePort(found[0])
        except Exception:
            self._stop()
            raise

    def load(self, sources: Iterable[Path]) -> None:
        """Put modules of the firmware on the board, compiled as for a node, each in its package's folder."""
        self.run(FOLDER)
        for source in sources:
            self.put(source)

    def put(self, source: Path) -> None:
        """One more file; a driver that was installed is compiled as it is."""
        folder = "" if source.parent == FIRMWARE else f"/{source.parent.name}"
        if source.suffix == ".py":
            ours = "site-packages" not in source.parts
            self._put_module(f"{folder}/{source.stem}.mpy", compiled(source, source.name, ours))
        else:
            self._put_table(f"{folder}/{source.name}", source.read_bytes())

    def _put_module(self, path: str, data: bytes) -> None:
        self.run(f"folder.files[{path!r}] = bytearray()")
        for at in range(0, len(data), CHUNK):
            self.run(f"folder.files[{path!r}].extend({data[at : at + CHUNK]!r})")

    def _put_table(self, path: str, data: bytes) -> None:
        self.run(f"folder.files[{path!r}] = [bytearray({PIECE}) for _ in range({len(data) // PIECE})]")
        for at in range(0, len(data), CHUNK):
            place = f"[{at // PIECE}][{at % PIECE}:{at % PIECE + CHUNK}]"
            self.run(f"folder.files[{path!r}]{place} = {data[at : at + CHUNK]!r}")

    def run(self, code: str) -> str:
        """Execute Python on the board; returns what it printed."""
        return self._port.run(code, timeout_s=300.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._port.close()
        self._stop()

    def _stop(self) -> None:
        self._qemu.kill()
        self._qemu.communicate()
