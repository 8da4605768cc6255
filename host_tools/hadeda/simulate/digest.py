"""The digest of a run: one hash over every wire byte, every stored row and every flash image at the end.

Each board has its own, and what the city refused has one, so that it does not matter which boards ran side by side in
one process. Row numbers, which tell only who came first, are left out; everything that was read and when is in.
"""

import hashlib
import struct
from collections import Counter
from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from hadeda.registry import Database
from hadeda.registry.database import Base
from hadeda.registry.nodes import Node
from hadeda.registry.quarantine import QuarantineRow
from hadeda.registry.reports import ReportRow

REPORT_PARTS = ("air", "traffic", "fault", "health")
ROW_NUMBERS = frozenset({"id", "report", "node", "epoch"})


class WireDigest:
    """Takes every chunk of bytes that a board sent or read."""

    def __init__(self) -> None:
        self.bytes: Counter[int] = Counter()
        self._hashes: dict[int, Any] = {}

    def take(self, board: int, at_us: int, up: bool, data: bytes) -> None:
        """These bytes, then."""
        self.bytes[board] += len(data)
        running = self._hashes.setdefault(board, hashlib.sha256())
        running.update(struct.pack("<Q?I", at_us, up, len(data)) + data)

    def of(self, board: int) -> bytes:
        """What one board sent and read."""
        return bytes(self._hashes[board].digest()) if board in self._hashes else b""


def rows_of(database: Database, name: str) -> bytes:
    """Every row of the report store that belongs to the node of this name."""
    whole = hashlib.sha256()
    with database.read() as session:
        node = select(Node.id).where(Node.name == name).scalar_subquery()
        wanted = select(ReportRow).where(ReportRow.node == node).order_by(ReportRow.epoch_number, ReportRow.sequence)
        for report in session.scalars(wanted):
            for table, column in (("report", "id"), *((part, "report") for part in REPORT_PARTS)):
                for row in _rows(session, table, column, report.id):
                    whole.update(row)
    return whole.digest()


def _rows(session: Session, name: str, column: str, value: int) -> Iterable[bytes]:
    table = Base.metadata.tables[name]
    keys: list[Any] = list(table.primary_key.columns)
    for row in session.execute(select(table).where(table.c[column] == value).order_by(*keys)).mappings():
        yield repr([(key, row[key]) for key in row if key not in ROW_NUMBERS]).encode()


def refused(database: Database) -> list[bytes]:
    """Every row of the quarantine."""
    with database.read() as session:
        return [
            hashlib.sha256(repr((row.digest, row.reason, row.count, row.first_at, row.last_at)).encode()).digest()
            for row in session.scalars(select(QuarantineRow))
        ]


def digest(boards: dict[int, bytes], quarantine: Iterable[bytes]) -> str:
    """All of it, as hexadecimal: `boards` by number."""
    whole = hashlib.sha256()
    for number, part in sorted(boards.items()):
        whole.update(struct.pack("<I", number) + part)
    for row in sorted(quarantine):
        whole.update(row)
    return whole.hexdigest()
