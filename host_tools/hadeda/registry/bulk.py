"""Many reports stored at once: the rows of `reports.add_report`, in a few statements for all of them together."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, insert, select, update

from hadeda.envelope import Opened
from hadeda.registry.epochs import Epoch
from hadeda.registry.nodes import Node
from hadeda.registry.reports import AirRow, CellCount, HealthRow, ReportRow, TrafficRow, report_columns

# What a report moves on in its epoch and in its node
_EPOCH = ("highest", "seen", "letter", "lettered_at", "receipt", "errand")
_NODE = ("through", "newest", "heard_at", "policy")


def _table(row: Any) -> Table:
    table: Table = row.__table__
    return table


def _mover(row: Any, columns: tuple[str, ...]) -> Any:
    table = _table(row)
    return update(table).where(table.c.id == bindparam("_id")).values({name: bindparam(name) for name in columns})


def _filler(row: Any) -> str:
    """SQL with a place for each column, in the table's order: numbers and texts, which no type has to translate."""
    names = [column.name for column in _table(row).columns]
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"INSERT INTO {_table(row).name} ({quoted}) VALUES ({', '.join('?' * len(names))})"


_REPORT = insert(_table(ReportRow))
_PARTS = {row: _filler(row) for row in (AirRow, TrafficRow, HealthRow)}
_MOVES = {Epoch: (_mover(Epoch, _EPOCH), _EPOCH), Node: (_mover(Node, _NODE), _NODE)}


class Batch:
    """Reports without faults, to be written into `connection`'s transaction, which has the lock already."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._next = (connection.scalar(select(func.max(_table(ReportRow).c.id))) or 0) + 1
        self._reports: list[dict[str, Any]] = []
        self._parts: dict[Any, list[tuple[Any, ...]]] = {row: [] for row in _PARTS}
        self._moved: dict[Any, dict[int, Any]] = {row: {} for row in _MOVES}

    def add(
        self,
        node: Node,
        epoch: Epoch,
        enrolment: int,
        opened: Opened,
        traffic: tuple[CellCount, ...],
        sealed: bytes,
        now: datetime,
    ) -> None:
        """One report. What has moved on in `node` and `epoch` is written with it, as it is in the end."""
        number, self._next = self._next, self._next + 1
        columns = report_columns(node, epoch, enrolment, opened, sealed, now)
        report = opened.report
        self._reports.append({"id": number, **columns})
        self._parts[AirRow] += [(number, *vars(reading).values()) for reading in report.air]
        self._parts[TrafficRow] += [(number, at, *vars(cell).values()) for at, cell in enumerate(traffic)]
        self._parts[HealthRow].append((number, *vars(report.health).values()))
        self._moved[Epoch][epoch.id] = epoch
        self._moved[Node][node.id] = node

    def write(self) -> None:
        """Everything that was added."""
        if self._reports:
            self._connection.execute(_REPORT, self._reports)
        for row, rows in self._parts.items():
            if rows:
                self._connection.exec_driver_sql(_PARTS[row], rows)
        for kind, (move, columns) in _MOVES.items():
            values = [
                {"_id": key, **{name: getattr(moved, name) for name in columns}}
                for key, moved in self._moved[kind].items()
            ]
            if values:
                self._connection.execute(move, values)
