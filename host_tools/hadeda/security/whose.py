"""Whether the board in its loader is a certain node: its flash is asked for the digest of the node's public key.

No key crosses the cable, not even the public one: the loader answers with an MD5. It is where firmware/node/keystore.py
puts it, in one of two sectors. A flash that was erased tells nothing any more: then the chip's MAC has to be the one
that was written down before.
"""

import hashlib
from pathlib import Path
from typing import Final

from hadeda.board import Board
from hadeda.board.partitions import KEYS, find, hadeda
from hadeda.city.keyfile import replace_private_file
from hadeda.errors import FlashError
from hadeda.flash.device import digests

SECTOR: Final = 4096
COORDINATES_AT: Final = 81  # behind the record's head and the private key: x and y of the public one, 64 bytes
IN_A_CHIP: Final = 29  # bytes fewer: behind the head are four, which say where the private key is


def is_node(port: str, board: Board, identity: bytes) -> bool:
    """`identity` is the node's public key, 65 bytes, as the registry has it. Raises PortError and FlashError."""
    coordinates = identity[1:]
    first = find(hadeda(board.flash_mb), KEYS).address + COORDINATES_AT - (IN_A_CHIP if board.element else 0)
    places = [(at, len(coordinates)) for at in (first, first + SECTOR)]
    return hashlib.md5(coordinates).hexdigest() in digests(port, board, places)


class Known:
    """The MAC of the chip that is being made node `name`, kept in `folder` beside its keys."""

    def __init__(self, folder: Path, name: str) -> None:
        self._name = name
        self._file = folder / f"{name}.mac"

    def require(self, mac: str, *, must_be: bool) -> None:
        """Raise FlashError for another chip; where nothing was written down only if it `must_be`."""
        kept = self._file.read_text(encoding="utf-8").strip() if self._file.exists() else None
        if kept == mac or (kept is None and not must_be):
            return
        raise FlashError(
            f"the chip with the MAC {mac} is not {self._name}: {self._file} says {kept or 'nothing'}",
            "nothing was burned: plug that one in, or name the folder that this chip's keys are in",
        )

    def keep(self, mac: str) -> None:
        """Write it down, on disk when this returns."""
        replace_private_file(self._file, f"{mac}\n".encode())
