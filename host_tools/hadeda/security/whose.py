"""Whether the board in its loader is a certain node: its flash is asked for the digest of the node's public key.

No key crosses the cable, not even the public one: esptool compares MD5. It is where firmware/node/keystore.py puts it,
in one of two sectors; of a flash that is encrypted nobody can tell.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from hadeda.board import Board
from hadeda.board.partitions import KEYS, find, hadeda
from hadeda.security.fuses import Place

SECTOR: Final = 4096
COORDINATES_AT: Final = 81  # behind the record's head and the private key: x and y of the public one, 64 bytes
LIMIT_S: Final = 120


def is_node(place: Place, board: Board, identity: bytes) -> bool:
    """`identity` is the node's public key, 65 bytes, as the registry has it."""
    first = find(hadeda(board.flash_mb), KEYS).address + COORDINATES_AT
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "identity"
        file.write_bytes(identity[1:])
        return any(_is_there(place, at, file) for at in (first, first + SECTOR))


def _is_there(place: Place, address: int, file: Path) -> bool:
    command = [sys.executable, "-m", "esptool", *place.options(), "--no-stub", "verify-flash", hex(address), str(file)]
    return subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=False).returncode == 0
