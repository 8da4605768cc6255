"""Reads and changes the files in a board's flash image from outside, with MicroPython's own littlefs."""

import json
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Sequence
from pathlib import Path

from hadeda.board import Board
from hadeda.board.partitions import FILES, Partition, find, hadeda, stock
from hadeda.emulator import interpreter
from hadeda.errors import EmulatorError

_PROGRAM = """
import sys, os, json, binascii, vfs
image, address, size, order = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.stdin.read())
file = open(image, "r+b")

class Partition:
    def readblocks(self, block, buffer, offset=0):
        file.seek(address + block * 4096 + offset)
        file.readinto(buffer)
    def writeblocks(self, block, buffer, offset=None):
        if offset is None:
            offset = 0
        file.seek(address + block * 4096 + offset)
        file.write(buffer)
    def ioctl(self, op, arg):
        return size // 4096 if op == 4 else 4096 if op == 5 else 0

disk = vfs.VfsLfs2(Partition(), readsize=32, progsize=32, lookahead=32, mtime=False)
for path, data in order["write"].items():
    with disk.open(path, "wb") as target:
        target.write(binascii.a2b_base64(data))
if order["fill"]:
    path, leave = order["fill"]
    with disk.open(path, "wb") as target:
        for _ in range(disk.statvfs("/")[3] - leave):
            target.write(bytes(4064))
for path in order["remove"]:
    disk.remove(path)
found = {}

def walk(folder):
    for entry in disk.ilistdir(folder):
        path = folder + "/" + entry[0]
        if entry[1] == 0x4000:
            walk(path)
        else:
            with disk.open(path, "rb") as source:
                found[path] = binascii.b2a_base64(source.read(64 if path == "/full" else -1), newline=False).decode()

walk("")
file.close()
print(json.dumps(found))
"""


def change(
    image: Path,
    board: Board,
    write: dict[str, bytes] | None = None,
    fill: tuple[str, int] | None = None,
    remove: Sequence[str] = (),
) -> dict[str, bytes]:
    """Write and remove files in an image no board runs on; returns what is there then, by path from `/`.

    `fill` is a file that takes all of the flash but so many blocks. A file of the name /full comes back cut at 64
    bytes. Raises EmulatorError where there is no file system in it that can be read.
    """
    files = _file_system(image, board)
    order = {
        "write": {path: b64encode(data).decode() for path, data in (write or {}).items()},
        "fill": fill,
        "remove": list(remove),
    }
    done = subprocess.run(
        [interpreter.find().path, "-X", "heapsize=8M", "-c", _PROGRAM, image, str(files.address), str(files.size)],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    if done.returncode:
        why = f"{image} cannot be read as littlefs: {done.stdout}{done.stderr}"
        raise EmulatorError(why, "name the image of a board that was provisioned")
    return {path: b64decode(data) for path, data in json.loads(done.stdout).items()}


def files(image: Path, board: Board) -> dict[str, bytes]:
    """Every file in an image, by path from `/`."""
    return change(image, board)


def _file_system(image: Path, board: Board) -> Partition:
    """Where littlefs lies: under our table or the stock one, as its superblock says."""
    ours, other = find(hadeda(board.flash_mb), FILES), find(stock(board.flash_mb), FILES)
    with image.open("rb") as file:
        file.seek(ours.address)
        head = file.read(2 * 4096)
    if b"littlefs" not in head:
        raise EmulatorError(f"no file system in {image}", "name the image of a board that was provisioned")
    # Superblock entry: revision, tag, "littlefs", tag, then version, block size and block count (littlefs, SPEC.md)
    counts = {}
    for block in (head[:4096], head[4096:]):
        if (at := block.find(b"littlefs")) >= 0:
            counts[int.from_bytes(block[:4], "little")] = int.from_bytes(block[at + 20 : at + 24], "little")
    blocks = counts[max(counts)]
    return next(part for part in (ours, other) if part.size == blocks * 4096)
