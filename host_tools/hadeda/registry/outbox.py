"""What the city has of a node's outbox, index by index, and what it will never get: the gaps.

A node numbers its reports 1, 2, 3, ... from its enrolment on, and says in each what it still keeps. `through` is the
index up to which every report is stored or in a gap: that is the receipt, after which the node lets them go. A gap is

    - what lies below the oldest report that the node keeps: evicted, or received once and lost by the city since;
    - what the node says it has no record of: rotten, or cut off by the power;
    - what came and could not be taken, or was refused because the registry had been restored.

A report that comes after all is stored, and its gap shrinks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, ForeignKey, Select, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from hadeda.envelope import Outbox
from hadeda.registry.database import Base, Database, UtcDateTime
from hadeda.registry.nodes import Node, whole_index
from hadeda.registry.reports import ReportRow


class GapRow(Base):
    """Reports `first` to `last` of a node's enrolment, which the city will not get."""

    __tablename__ = "gap"

    id: Mapped[int] = mapped_column(primary_key=True)
    node: Mapped[int] = mapped_column(ForeignKey("node.id"), index=True)
    enrolment: Mapped[int]
    first: Mapped[int]
    last: Mapped[int]
    noted_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True)
class Gap:
    """Reports with the indexes `first` to `last`, which the city will never get; `noted_at` is when it learned so."""

    first: int
    last: int
    noted_at: datetime


def account(session: Session, node: Node, outbox: Outbox, now: datetime, *, alone: bool = False) -> None:
    """Note what a report that was just stored says about the outbox it came from, in the same transaction.

    `alone`: nothing below it is taken any more.
    """
    index = whole_index(node, outbox.index)
    node.newest = max(node.newest, index)
    _fill(session, node, index)
    missing = [(node.through + 1, index - 1 if alone else index - outbox.kept_before - 1)]
    missing += [(index - gap.below - gap.count + 1, index - gap.below) for gap in outbox.gaps]
    _give_up(session, node, missing, now)


def give_up(session: Session, node: Node, outbox: Outbox, now: datetime) -> None:
    """A genuine report came and cannot be stored, now or ever: the node need not keep it."""
    index = whole_index(node, outbox.index)
    _give_up(session, node, [(index, index)], now)


def gaps(database: Database, node: Node) -> list[Gap]:
    """What the city will never get of a node since its last enrolment, oldest first; neighbours are one gap."""
    with database.read() as session:
        found: list[Gap] = []
        for row in session.scalars(_gap_rows(node).order_by(GapRow.first)):
            if found and found[-1].last + 1 == row.first:
                found[-1] = Gap(found[-1].first, row.last, max(found[-1].noted_at, row.noted_at))
            else:
                found.append(Gap(row.first, row.last, row.noted_at))
        return found


def has_gaps(session: Session, node: Node) -> bool:
    """Whether anything above what the receipt says is known to be missing."""
    return next(_gaps(session, node), None) is not None


def stored_above(connection: Connection, node: Node) -> set[int]:
    """The indexes of reports that are stored above what is complete; none are, mostly."""
    if node.newest == node.through:
        return set()
    query = select(ReportRow.index).where(ReportRow.node == node.id, ReportRow.enrolment == node.enrolments)
    return set(connection.scalars(query.where(ReportRow.index > node.through)))


def count_lost(database: Database) -> int:
    """How many reports are in gaps, of all nodes as they are enrolled now."""
    with database.read() as session:
        length = func.sum(GapRow.last - GapRow.first + 1)
        query = select(length).join(Node, (Node.id == GapRow.node) & (Node.enrolments == GapRow.enrolment))
        return int(session.scalar(query) or 0)


def _give_up(session: Session, node: Node, missing: Iterable[tuple[int, int]], now: datetime) -> None:
    """Make gaps of those ranges, as far as neither a report nor a gap is there, and see how far the receipt goes."""
    for first, last in missing:
        known = sorted([*_stored(session, node, max(first, node.through + 1), last), *_gaps(session, node)])
        for start, end in _between(known, max(first, node.through + 1), last):
            session.add(GapRow(node=node.id, enrolment=node.enrolments, first=start, last=end, noted_at=now))
        session.flush()
    known = sorted([*_stored(session, node, node.through + 1, node.newest), *_gaps(session, node)])
    for start, end in known:
        if start > node.through + 1:
            break
        node.through = max(node.through, end)
    session.flush()


def _fill(session: Session, node: Node, index: int) -> None:
    """The report with this index has come: it is in no gap any more."""
    for row in session.scalars(_gap_rows(node).where(GapRow.first <= index, GapRow.last >= index)):
        for first, last in ((row.first, index - 1), (index + 1, row.last)):
            if first <= last:
                rest = GapRow(node=row.node, enrolment=row.enrolment, first=first, last=last, noted_at=row.noted_at)
                session.add(rest)
        session.delete(row)
    session.flush()


def _between(known: Iterable[tuple[int, int]], first: int, last: int) -> Iterator[tuple[int, int]]:
    """What of `first` to `last` is in none of the `known` ranges, which are sorted."""
    for start, end in known:
        if first < start <= last:
            yield first, start - 1
        first = max(first, end + 1)
    if first <= last:
        yield first, last


def _stored(session: Session, node: Node, first: int, last: int) -> Iterator[tuple[int, int]]:
    query = select(ReportRow.index).where(ReportRow.node == node.id, ReportRow.enrolment == node.enrolments)
    for index in session.scalars(query.where(ReportRow.index >= first, ReportRow.index <= last)):
        yield index, index


def _gaps(session: Session, node: Node) -> Iterator[tuple[int, int]]:
    for row in session.scalars(_gap_rows(node).where(GapRow.last > node.through)):
        yield row.first, row.last


def _gap_rows(node: Node) -> Select[GapRow]:
    return select(GapRow).where(GapRow.node == node.id, GapRow.enrolment == node.enrolments)
