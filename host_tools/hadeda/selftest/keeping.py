"""Judges the flash: does it keep what is written, how often was it erased (as far as anybody knows), where are keys?"""

import struct
import zlib
from collections.abc import Mapping
from typing import Any, Final

from hadeda.board.parts import load_parts
from hadeda.provision import chip
from hadeda.provision.steps import SPARE_BYTES
from hadeda.selftest.checks import Check, Status

# Serial NOR flash is specified for that many erasures of a sector (GD25Q32E, W25Q32JV: 100,000 at least)
ERASURES: Final = 100_000
WORN: Final = 0.8
KEY_SECTORS: Final = 2
IDENTITY: Final = "identity key"
SECTORS: Final = 1  # the node's keystore.KIND_SECTORS

# A page of ESP-IDF's NVS: state, sequence number, version, reserved, CRC-32 of all but the state (ESP-IDF programming
# guide, NVS, structure of a page)
_PAGE: Final = struct.Struct("<IIB19sI")
_PAGE_STATES: Final = {0xFFFFFFFE, 0xFFFFFFFC, 0xFFFFFFF8}
_CRC_START: Final = 0xFFFFFFFF


def keeping_checks(said: Mapping[str, Any]) -> list[Check]:
    """Flash, its wear, the key partition; `said` is what firmware/selftest/keeping.py tells."""
    return [_flash(said), _wear(said), _keys(said)]


def identity_check(part: str, said: Mapping[str, Any]) -> Check:
    """The identity key's chip; `said` is what firmware/selftest/element.py tells."""
    title = load_parts()[part].title
    state, serial = said["chip"]
    again = "put the node's own chip back, or provision it again with --replace"
    if state == chip.ABSENT:
        return Check(IDENTITY, Status.FAIL, f"no {title} answers", "see its wires: without it the node seals nothing")
    if state != chip.OURS:
        return Check(IDENTITY, Status.FAIL, f"the {title} that answers is not one that was made ready", again)
    if said["slot"] is None:
        return Check(IDENTITY, Status.FAIL, f"in the flash, not in the {title}", "provision it again with --replace")
    if said["failed"]:
        return Check(IDENTITY, Status.FAIL, f"{title} {serial}: {said['failed']}", again)
    return Check(IDENTITY, Status.PASS, f"in slot {said['slot']} of the {title} {serial}, which is locked")


def _flash(said: Mapping[str, Any]) -> Check:
    if said["kept"]:
        return Check("flash", Status.FAIL, said["kept"], "erase it and start over; replace the board if it comes again")
    found = f"{said['free'] // 1024} of {said['bytes'] // 1024} KB free, keeps what is written"
    if said["free"] < SPARE_BYTES:
        return Check("flash", Status.FAIL, found, "collect the node's reports, or remove files that are not ours")
    return Check("flash", Status.PASS, found)


def _wear(said: Mapping[str, Any]) -> Check:
    """The chip counts nothing; who writes to it does, in two places."""
    known = {"keys": _key_erasures(said["records"]), "nvs": nvs_erasures([bytes.fromhex(p) for p in said["nvs"]])}
    words = [f"{place}: {'not known' if n is None else f'about {n}'}" for place, n in known.items()]
    found = f"erasures of a sector, of some {ERASURES} ({', '.join([*words, 'files: not known'])})"
    most = max((n for n in known.values() if n is not None), default=None)
    if most is None:
        return Check("flash wear", Status.NOT_KNOWN, found)
    if most > WORN * ERASURES:
        return Check("flash wear", Status.FAIL, found, "replace the board before it forgets")
    return Check("flash wear", Status.PASS, found)


def _generations(heads: list[str]) -> list[int]:
    """Of the records in the key sectors that are not erased: each is one more than the last (node/keystore.py)."""
    records = [bytes.fromhex(head) for head in heads]
    return [int.from_bytes(record[4:8], "big") for record in records if record.strip(b"\xff")]


def _key_erasures(heads: list[str]) -> int | None:
    """Both sectors take turns."""
    return -(-max(_generations(heads), default=0) // KEY_SECTORS) or None


def nvs_erasures(pages: list[bytes]) -> int | None:
    """About how often each page of ESP-IDF's NVS was erased: pages take turns, and are numbered as they begin."""
    numbers = []
    for page in pages:
        state, number, _version, _reserved, checksum = _PAGE.unpack(page)
        if state in _PAGE_STATES and zlib.crc32(page[4:28], _CRC_START) == checksum:
            numbers.append(number)
    return (max(numbers) + 1) // len(pages) if numbers else None


def _keys(said: Mapping[str, Any]) -> Check:
    if said["keys"] != SECTORS:
        return Check(
            "key partition",
            Status.FAIL,
            "none: keys are in a file, where overwritten ones may stay readable",
            "`hadeda board flash` writes a partition table that has one; then provision it again",
        )
    records = len(_generations(said["records"]))
    if records != 1:
        found = f"{records} records in its two sectors"
        return Check("key partition", Status.FAIL, found, "start the node again; replace the board if it stays so")
    return Check("key partition", Status.PASS, "keys are in raw sectors, the old ones are erased")
