"""Reads a node's keys out of its flash image, as a thief would: the record of firmware/node/keystore.py."""

from hashlib import sha256
from typing import Final

import cbor2

from hadeda.board import Board
from hadeda.board.partitions import KEYS, KEYS_SIZE, find, hadeda
from hadeda.emulator.flash import SECTOR
from hadeda.envelope import labels

BODY_AT: Final = 42  # behind magic, generation, length and SHA-256
PRIVATE, ROOT = 0, 4  # places in the record's list of committed secrets


def key_place(board: Board) -> range:
    """The addresses of the key partition's two sectors."""
    at = find(hadeda(board.flash_mb), KEYS).address
    return range(at, at + KEYS_SIZE)


def key_sectors(image: bytes, board: Board) -> bytes:
    """The two sectors of the key partition."""
    place = key_place(board)
    return image[place.start : place.stop]


def whole_record(data: bytes) -> bytes:
    """The record that `data` begins with; nothing when it is not whole."""
    record = data[: BODY_AT + int.from_bytes(data[8:10], "big")]
    head, digest, body = record[:10], record[10:BODY_AT], record[BODY_AT:]
    return record if head.startswith(b"HKR2") and digest == sha256(head + body).digest() else b""


def newest_record(image: bytes, board: Board) -> bytes:
    """The record that counts; nothing where there is none."""
    return _newer(key_sectors(image, board))


def _newer(both: bytes) -> bytes:
    found = [whole_record(both[at : at + SECTOR]) for at in (0, SECTOR)]
    return max(found, key=lambda record: int.from_bytes(record[4:8], "big"))


def node_keys(both: bytes) -> dict[str, bytes]:
    """The identity's private key and the epoch's root key in the two sectors; none where there is no whole record.

    Where the identity's is in a chip, the record has no more of it than where.
    """
    record = _newer(both)
    if not record:
        return {}
    committed, _enrolling = cbor2.loads(record[BODY_AT:])
    found = {"private": committed[PRIVATE], "root": committed[ROOT]}
    return {name: key for name, key in found.items() if len(key) == labels.PRIVATE_KEY_SIZE}
