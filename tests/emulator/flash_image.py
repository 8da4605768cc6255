"""What tests look for in a board's flash image: its files (hadeda/emulator/files_in_flash.py) and its keys."""

from hashlib import sha256
from typing import Any

import cbor2

from hadeda.board import Board
from hadeda.board.partitions import KEYS, KEYS_SIZE, find, hadeda
from hadeda.emulator.files_in_flash import change, files
from node.keystore import Secrets

__all__ = ["change", "files", "key_sectors", "node_secrets", "secrets_in", "whole_record"]

KEY_FILE = "/state/keys"
_SECTOR = 4096
_BODY_AT = 42  # behind magic, generation, length and SHA-256


def key_sectors(image: bytes, board: Board) -> bytes:
    """The two sectors of the key partition."""
    at = find(hadeda(board.flash_mb), KEYS).address
    return image[at : at + KEYS_SIZE]


def node_secrets(image: bytes, board: Board) -> dict[str, Any]:
    """The node's committed secrets by name, out of the key partition in a whole flash image; it must have some."""
    both = key_sectors(image, board)
    found = [record for at in (0, _SECTOR) if (record := whole_record(both[at : at + _SECTOR]))]
    assert found, "no whole record in the key partition"
    return secrets_in(max(found, key=lambda record: int.from_bytes(record[4:8], "big")))


def secrets_in(record: bytes) -> dict[str, Any]:
    """The committed secrets of a record."""
    committed, _enrolling = cbor2.loads(record[_BODY_AT:])
    return dict(zip(Secrets.NAMES, committed, strict=True))


def whole_record(data: bytes) -> bytes:
    """The record that `data` begins with; nothing when it is not whole."""
    record = data[: _BODY_AT + int.from_bytes(data[8:10], "big")]
    head, digest, body = record[:10], record[10:_BODY_AT], record[_BODY_AT:]
    return record if head.startswith(b"HKR2") and digest == sha256(head + body).digest() else b""
