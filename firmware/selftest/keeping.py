"""Flash and what can be known of its wear; where the keys are."""

import json
import os
from binascii import hexlify

from esp32 import Partition
from micropython import const

from node import keystore
from ports.flash import Files, KeyPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PATH = "/selftest"
_SIZE = const(4096)
_SECTOR = const(4096)
_SECTORS_MAX = const(64)
_HEADER = const(32)
_RECORD_HEAD = const(10)


def tell() -> None:
    """Print {"bytes", "free", "kept", "nvs": headers of its pages, "keys": kind, "records": heads of both sectors}."""
    files = Files()
    partition = KeyPartition.find()
    figures = os.statvfs("/")
    said: dict[str, Any] = {
        "bytes": figures[0] * figures[2],
        "free": figures[0] * figures[3],
        "kept": _keeps(files),
        "nvs": _pages(),
        "keys": keystore.open_keystore(files, partition).kind,
        "records": [],
    }
    if partition is not None:
        said["records"] = [hexlify(partition.read(sector, _RECORD_HEAD)).decode() for sector in (0, 1)]
    print("SELFTEST", json.dumps(said))


def _keeps(files: Files) -> str:
    """Write a file, read it again, remove it: "" when it came back as it was, else what went wrong."""
    data = bytes(range(256)) * (_SIZE // 256)
    try:
        files.write(_PATH, data)
        return "" if files.read(_PATH) == data else "it reads other bytes than were written"
    except OSError as error:
        return repr(error)
    finally:
        files.remove(_PATH)


def _pages() -> "list[str]":
    """The beginnings of the nvs partition's sectors, hexadecimal."""
    found = Partition.find(Partition.TYPE_DATA, label="nvs")
    if not found:
        return []
    header = bytearray(_HEADER)
    pages = []
    for sector in range(min(found[0].info()[3] // _SECTOR, _SECTORS_MAX)):
        found[0].readblocks(sector, header, 0)
        pages.append(hexlify(bytes(header)).decode())
    return pages
