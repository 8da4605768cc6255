"""To which step of the node's life a flash operation belongs, by what it writes where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flash_image import secrets_in, whole_record

from hadeda.board import Board
from hadeda.board.partitions import FILES, KEYS, Partition, find, hadeda

# By the name of the value in NVS
IN_NVS = {b"ledger": "close", b"seq": "seal", b"outbox": "append"}
HEAD_BYTES = 8  # of a record in the emulator's NVS, programmed after its body


@dataclass(frozen=True)
class Operation:
    """A program, or an erase where `data` is None; `online`: the node's radio was on."""

    address: int
    data: bytes | None
    online: bool


def by_stage(operations: Sequence[Operation], board: Board, secrets: dict[str, Any]) -> Counter[str]:
    """How many operations each stage has; `secrets` are the node's before the first one."""
    return Counter(_stages(operations, board, secrets))


def _stages(operations: Sequence[Operation], board: Board, secrets: dict[str, Any]) -> Iterator[str]:
    table = hadeda(board.flash_mb)
    of_keys = iter(_key_stages([op for op in operations if _within(op, find(table, KEYS))], secrets))
    stage = "boot"
    for operation in operations:
        if _within(operation, find(table, KEYS)):
            yield next(of_keys)
        elif _within(operation, find(table, FILES)):
            yield "receipt" if operation.online else "append"
        else:
            stage = _nvs_stage(operation.data or b"", stage)
            yield stage


def _within(operation: Operation, part: Partition) -> bool:
    return part.address <= operation.address < part.address + part.size


def _nvs_stage(data: bytes, before: str) -> str:
    """Until the first window closes it is the boot; what has no name of its own is the generator's state."""
    if len(data) == HEAD_BYTES or (before == "boot" and b"ledger" not in data):
        return before
    return next((stage for name, stage in IN_NVS.items() if name in data), "send")


def _key_stages(operations: Sequence[Operation], secrets: dict[str, Any]) -> list[str]:
    """The spare sector is erased, a record is written to it, and the old one is erased."""
    stages: list[str] = []
    erases = 0
    for operation in operations:
        if operation.data is None:
            erases += 1
            continue
        new = secrets_in(whole_record(operation.data))
        change = [_change(secrets, new)]
        stages += (stages[-1:] or change) * (erases - 1) + change * 2
        secrets, erases = new, 0
    return stages + stages[-1:] * erases


def _change(old: dict[str, Any], new: dict[str, Any]) -> str:
    changed = {name for name in new if new[name] != old[name]}
    if "policy" in changed:
        return "policy change"
    if "chain_start" in changed:
        return "rotation, confirmed"
    if "pending" in changed:
        return "rotation, prepared"
    return "ratchet" if "epoch" in changed else "command"
