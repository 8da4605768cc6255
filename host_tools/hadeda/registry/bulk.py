"""Many reports stored at once: the rows of `reports.add_report`, in a few statements for all of them together."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, insert, select, update

from hadeda.envelope import Opened
from hadeda.registry.epochs import Epoch
from hadeda.registry.nodes import Node
from hadeda.registry.postgresql import TOUCHED
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


def _filler(row: Any, place: str) -> str:
    """SQL with a place for each column, in the table's order: numbers and texts, which no type has to translate."""
    names = [column.name for column in _table(row).columns]
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"INSERT INTO {_table(row).name} ({quoted}) VALUES ({', '.join([place] * len(names))})"


_REPORT = insert(_table(ReportRow))
_PARTS = (AirRow, TrafficRow, HealthRow)
_FILLERS = {
    style: {row: _filler(row, place) for row in _PARTS} for style, place in (("qmark", "?"), ("pyformat", "%s"))
}
_MOVES = {Epoch: (_mover(Epoch, _EPOCH), _EPOCH), Node: (_mover(Node, _NODE), _NODE)}


def times_touched(connection: Connection, node: int) -> int:
    """How often somebody has written about a node; only where the store is shared."""
    return connection.scalar(select(TOUCHED.c.times).where(TOUCHED.c.node == node)) or 0


def hold(connection: Connection, epochs: Iterable[int]) -> Iterator[tuple[int, int, dict[str, Any], dict[str, Any]]]:
    """Lock these epochs (row ids) and their nodes until the transaction ends; only where the store is shared.

    Of each: its id, how often its node was touched, and what reports move on in it and in its node, as it is now.
    """
    node, epoch = _table(Node).c, _table(Epoch).c
    moved = [*(epoch[name] for name in _EPOCH), *(node[name] for name in _NODE)]
    query = select(epoch.id, func.coalesce(TOUCHED.c.times, 0).label("times"), *moved)
    query = query.join(_table(Node), node.id == epoch.node).outerjoin(TOUCHED, TOUCHED.c.node == node.id)
    query = query.where(epoch.id.in_(epochs)).order_by(node.id, epoch.id)  # the same order for everybody: no deadlock
    for row in connection.execute(query.with_for_update(of=(_table(Node), _table(Epoch)))).mappings():
        yield row["id"], row["times"], {name: row[name] for name in _EPOCH}, {name: row[name] for name in _NODE}


def _numbers(connection: Connection, most: int) -> Iterator[int]:
    """Ids for so many new reports at the most."""
    report = _table(ReportRow)
    if connection.dialect.name == "sqlite":
        return count((connection.scalar(select(func.max(report.c.id))) or 0) + 1)
    drawn = func.nextval(func.pg_get_serial_sequence(report.name, "id"))
    return iter(connection.scalars(select(drawn).select_from(func.generate_series(1, most))).all())


class Batch:
    """At most `most` reports without faults, to be written into `connection`'s transaction, which has the lock."""

    def __init__(self, connection: Connection, most: int) -> None:
        self._connection = connection
        self._numbers = _numbers(connection, most)
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
        number = next(self._numbers)
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
        for row, filler in _FILLERS[self._connection.dialect.paramstyle].items():
            if self._parts[row]:
                self._connection.exec_driver_sql(filler, self._parts[row])
        for kind, (move, columns) in _MOVES.items():
            values = [
                {"_id": key, **{name: getattr(moved, name) for name in columns}}
                for key, moved in self._moved[kind].items()
            ]
            if values:
                self._connection.execute(move, values)
