"""Reads and changes the files in a board's flash image from outside, with MicroPython's own littlefs."""

import json
import subprocess
from base64 import b64decode, b64encode
from pathlib import Path

from hadeda.board import Board
from hadeda.board.partitions import stock
from hadeda.emulator import interpreter

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
    image: Path, board: Board, write: dict[str, bytes] | None = None, fill: tuple[str, int] | None = None
) -> dict[str, bytes]:
    """Write files in an image no board runs on; returns what is there then, by path from `/`.

    `fill` is a file that takes all of the flash but so many blocks; it comes back cut at 64 bytes.
    """
    files = next(part for part in stock(board.flash_mb) if part.label == "vfs")
    order = {"write": {path: b64encode(data).decode() for path, data in (write or {}).items()}, "fill": fill}
    done = subprocess.run(
        [interpreter.find().path, "-X", "heapsize=8M", "-c", _PROGRAM, image, str(files.address), str(files.size)],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{image} cannot be read as littlefs: {done.stdout}{done.stderr}")
    return {path: b64decode(data) for path, data in json.loads(done.stdout).items()}


def files(image: Path, board: Board) -> dict[str, bytes]:
    """Every file in an image, by path from `/`."""
    return change(image, board)
