"""The collector: any bytes end as an outcome. The first byte says how far they get by themselves.

0 as they come; 1 sealed with a node's key; 2 encrypted to the collector, as a re-key; anything else: as they come, too.
"""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from host.sealing import dumps, enrolled, example_report, pad
from host_stage import believing, fixed_key, fixed_keys, ready_fields, signed

from hadeda.city import City
from hadeda.collect import Collector, Status

NOW = datetime(2022, 6, 1, 0, 16, tzinfo=UTC)
EPHEMERAL = fixed_key(99)
DEFECT = "collector failed"
SEQUENCE = 5

_FOLDER = tempfile.TemporaryDirectory(prefix="hadeda-fuzz-")
with fixed_keys():
    CITY = City.init(Path(_FOLDER.name) / "city", "Testville")
    NODE = enrolled(CITY)
CITY.database.close()
_DATABASE = CITY.database.path
_FRESH = _DATABASE.with_suffix(".fresh")
shutil.copy(_DATABASE, _FRESH)


def one_input(data: bytes) -> bool:
    _start_over()
    with believing():
        outcome = Collector(CITY, clock=lambda: NOW).receive(_message(data[:1], data[1:]))
    CITY.database.close()
    if outcome.reason.startswith(DEFECT):
        raise AssertionError(outcome.reason)
    return outcome.status is not Status.REJECTED


def _start_over() -> None:
    for tail in ("-wal", "-shm"):
        _DATABASE.with_name(_DATABASE.name + tail).unlink(missing_ok=True)
    shutil.copy(_FRESH, _DATABASE)


def _message(depth: bytes, data: bytes) -> bytes:
    if depth == b"\1":
        return NODE.encrypt(data, SEQUENCE)
    if depth == b"\2":
        return NODE.encrypt_to_collector(data, EPHEMERAL)
    return data


def seeds() -> list[bytes]:
    report = signed(pad(dumps(example_report()), 128))
    ready = signed(pad(ready_fields(NODE, EPHEMERAL)))
    return [b"\0" + NODE.encrypt(report, SEQUENCE), b"\1" + report, b"\2" + ready]
