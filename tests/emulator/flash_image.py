"""What tests look for in a board's flash image: files and keys (emulator/files_in_flash.py, key_record.py)."""

from typing import Any

import cbor2

from hadeda.board import Board
from hadeda.emulator.files_in_flash import change, files
from hadeda.emulator.key_record import BODY_AT, key_sectors, newest_record, whole_record
from node.keystore import Secrets

__all__ = ["change", "files", "key_sectors", "node_secrets", "secrets_in", "whole_record"]

KEY_FILE = "/state/keys"


def node_secrets(image: bytes, board: Board) -> dict[str, Any]:
    """The node's committed secrets by name, out of the key partition in a whole flash image; it must have some."""
    record = newest_record(image, board)
    assert record, "no whole record in the key partition"
    return secrets_in(record)


def secrets_in(record: bytes) -> dict[str, Any]:
    """The committed secrets of a record."""
    committed, _enrolling = cbor2.loads(record[BODY_AT:])
    return dict(zip(Secrets.NAMES, committed, strict=True))
