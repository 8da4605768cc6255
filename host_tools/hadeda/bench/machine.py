"""One RISC-V board under QEMU, counting instructions, with the firmware's modules as they are shipped.

Its serial port is a pseudo-terminal, spoken to by mpremote's own transport. The modules lie in a folder in memory
while they are imported, and are let go of one by one, so that the heap holds what a node's does: their code. Tables
that a node leaves on its flash lie in a read-only file system (VfsRom) in memory outside of the heap: its files are C
as a node's are.
"""

import re
import subprocess
from base64 import b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from mpremote.romfs import VfsRomWriter  # type: ignore[import-untyped]

from hadeda.bench.build import QEMU, Yardstick
from hadeda.errors import BenchError
from hadeda.kernel import module
from hadeda.paths import FIRMWARE
from hadeda.provision.port import NodePort
from hadeda.provision.shipment import compiled

# One instruction is one nanosecond of virtual time, and time never runs by itself.
COUNTING = ("-icount", "shift=0,sleep=off")
BOARD = ("-machine", "virt", "-bios", "none", "-nographic", "-monitor", "null", "-semihosting", "-serial", "pty")
CHUNK = 1024  # bytes a write
FLASH = 0x80800000  # RAM that MicroPython's linker script leaves alone
FLASH_STEP = 0x40000  # between two file systems in it
FOLDER = """
import gc, io, sys, uctypes, vfs
gc.threshold(2048)  # while it imports, as firmware/main.py has it
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
        return open(content, mode) if isinstance(content, str) else io.BytesIO(content)
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
        self._flash = FLASH
        try:
            self._port = NodePort(found[0])
        except Exception:
            self._stop()
            raise

    def load(self, sources: Iterable[Path], kernel: bool = False) -> None:
        """Put modules of the firmware on the board, compiled as for a node, each in its package's folder."""
        self.run(FOLDER)
        if kernel:
            self._put_module(f"/{module.NAME}", module.compiled())
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
        name = path.rsplit("/", 1)[1]
        self.put_files(f"/{name}", {name: data})
        self.run(f"folder.files[{path!r}] = '/{name}/{name}'")

    def put_files(self, folder: str, files: Mapping[str, bytes]) -> None:
        """Mount files by name at `folder`; they stay where they are, and take no heap."""
        data = _read_only(files)
        self.run("import uctypes, vfs\nfrom binascii import a2b_base64")
        self.run(f"flash = uctypes.bytearray_at({self._flash}, {len(data)})")
        for at in range(0, len(data), CHUNK):
            piece = data[at : at + CHUNK]
            self.run(f"flash[{at}:{at + len(piece)}] = a2b_base64({b64encode(piece)!r})")
        self.run(f"vfs.mount(vfs.VfsRom(flash), {folder!r})\ndel flash")
        self._flash += FLASH_STEP

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


def _read_only(files: Mapping[str, bytes]) -> bytes:
    """A VfsRom of these files, each at a word's address, as littlefs on flash has them."""
    padding = dict.fromkeys(files, 0)
    for name, content in files.items():
        padding[name] = -_image(files, padding).find(content) % 4
    return _image(files, padding)


def _image(files: Mapping[str, bytes], padding: Mapping[str, int]) -> bytes:
    image = VfsRomWriter()
    for name, content in files.items():
        image.mkfile(f"before {name}", bytes(padding[name]))
        image.mkfile(name, content)
    image.mkfile("behind", bytes(sum(padding.values()) % 2))  # an even number in all: the header's length follows it
    return bytes(image.finalise())
