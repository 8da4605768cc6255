"""The report store: a row for each report; its air channels, traffic cells, faults and health have their own tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship, selectinload

from hadeda.envelope import AirReading, Count, Fault, Health, Opened, Report
from hadeda.envelope.labels import CHANNELS, FAULT_PLACE_IDENTITY
from hadeda.errors import Rejected
from hadeda.policy.compiled import Compiled
from hadeda.registry.cells import Cell, cell_names
from hadeda.registry.database import Base, Database, UtcDateTime
from hadeda.registry.epochs import Chain, Epoch
from hadeda.registry.nodes import Node, select_node, whole_index
from hadeda.registry.policies import policy_of_version, window_s_of

_CHANNELS = [name for name, _, _ in CHANNELS.values()]


class AirRow(Base):
    """One channel of one report, in `unit`."""

    __tablename__ = "air"

    report: Mapped[int] = mapped_column(ForeignKey("report.id"), primary_key=True)
    channel: Mapped[str] = mapped_column(String(32), primary_key=True)
    unit: Mapped[str] = mapped_column(String(16))
    n: Mapped[int]
    mean: Mapped[float]
    minimum: Mapped[float]
    maximum: Mapped[float]


class TrafficRow(Base):
    """One traffic cell of one report; where the node withheld it `count` is null and `withheld` says why."""

    __tablename__ = "traffic"

    report: Mapped[int] = mapped_column(ForeignKey("report.id"), primary_key=True)
    cell: Mapped[int] = mapped_column(primary_key=True)
    road_user: Mapped[str] = mapped_column(String(32))
    direction: Mapped[str] = mapped_column(String(32))
    speed_band_kmh: Mapped[str] = mapped_column(String(16))
    count: Mapped[int | None]
    withheld: Mapped[str | None] = mapped_column(String(16))


class FaultRow(Base):
    """A sensor's failures of one kind in one window; `sensor` is its place in the node's configuration."""

    __tablename__ = "fault"

    report: Mapped[int] = mapped_column(ForeignKey("report.id"), primary_key=True)
    sensor: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    part: Mapped[str] = mapped_column(String(64))
    count: Mapped[int]


class HealthRow(Base):
    """The node about itself when it closed the window."""

    __tablename__ = "health"

    report: Mapped[int] = mapped_column(ForeignKey("report.id"), primary_key=True)
    reset_cause: Mapped[int]
    heap_high_water_bytes: Mapped[int]
    key_store: Mapped[str] = mapped_column(String(16))
    boots: Mapped[int]
    safe_mode: Mapped[str | None] = mapped_column(String(32))
    kernel: Mapped[str] = mapped_column(String(16))


class ReportRow(Base):
    """A report as it was accepted, with the sealed bytes it came in. `epsilon` and `spent` are millionths.

    `index` is its place in its node's outbox since the node was enrolled for the `enrolment`th time.
    """

    __tablename__ = "report"
    __table_args__ = (UniqueConstraint("epoch", "sequence"), Index("report_index", "node", "index"))

    id: Mapped[int] = mapped_column(primary_key=True)
    node: Mapped[int] = mapped_column(ForeignKey("node.id"), index=True)
    epoch: Mapped[int] = mapped_column(ForeignKey("epoch.id"))
    epoch_number: Mapped[int]
    sequence: Mapped[int]
    enrolment: Mapped[int]
    index: Mapped[int]
    window_start: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    window_s: Mapped[int]
    clock: Mapped[str] = mapped_column(String(16))
    policy_version: Mapped[int]
    epsilon: Mapped[int]
    spent: Mapped[int]
    footfall_bits: Mapped[int | None]  # both null: nobody listened
    footfall_withheld: Mapped[str | None] = mapped_column(String(16))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    air: Mapped[list[AirRow]] = relationship(lazy="raise")
    traffic: Mapped[list[TrafficRow]] = relationship(lazy="raise", order_by=TrafficRow.cell)
    faults: Mapped[list[FaultRow]] = relationship(lazy="raise", order_by=FaultRow.sensor)
    health: Mapped[HealthRow] = relationship(lazy="raise")


@dataclass(frozen=True)
class CellCount:
    """The passages released in one cell, noise included; None was withheld, and `withheld` says why."""

    road_user: str
    direction: str
    speed_band_kmh: str
    count: int | None
    withheld: str | None = None


@dataclass(frozen=True)
class SensorFault:
    """How often which sensor failed how."""

    part: str
    kind: str
    count: int


@dataclass(frozen=True)
class StoredReport:
    """A report as the city reads it; `index` is its number among its node's, from 1 on since the enrolment.

    It was made under the version `policy_version` of the city's policy (0: none, so nothing was released). Its release
    cost `epsilon`; `spent` is the sum of the node's ledger day, with it (SPENT_UNKNOWN where it has
    lost count): both in millionths, for one passage in one window. `footfall` is in bits of a sketch that
    collect/footfall.py knows how to read; None where nobody listened.
    """

    node: str
    node_id: str
    epoch: int
    sequence: int
    index: int
    window_start: datetime
    window_s: int
    clock: str
    policy_version: int
    epsilon: int
    spent: int
    received_at: datetime
    sealed_bytes: int
    air: tuple[AirReading, ...]
    traffic: tuple[CellCount, ...]
    faults: tuple[SensorFault, ...]
    health: Health
    footfall: Count | None = None


def name_cells(session: Session, report: Report) -> tuple[CellCount, ...]:
    """Put the names of its policy's cells to the report's counts.

    Raises Rejected where the city has signed no such policy, or the report is not one that could be made under it.
    """
    if report.privacy.policy == 0:
        return ()
    policy = policy_of_version(session, report.privacy.policy)
    return cells_under(policy, cell_names(policy.cells), report)


def cells_under(policy: Compiled, cells: Sequence[Cell], report: Report) -> tuple[CellCount, ...]:
    """The same where the report's policy and the names of its cells are at hand; raises Rejected."""
    _refuse_what_it_forbids(policy, report)
    if len(cells) != len(report.traffic):
        raise Rejected(f"{len(report.traffic)} traffic cells under a policy that has {len(cells)}")
    named = zip(cells, report.traffic, strict=True)
    return tuple(CellCount(**vars(cell), **vars(counted)) for cell, counted in named)


def _refuse_what_it_forbids(policy: Compiled, report: Report) -> None:
    """Raise Rejected for what no honest node sends under this policy."""
    if any(cell.count is not None and cell.count < policy.k for cell in report.traffic):
        raise Rejected("count below the policy's k")
    if report.footfall is not None:
        if policy.footfall is None:
            raise Rejected("footfall under a policy that has none")
        if report.footfall.count is not None and report.footfall.count < policy.footfall.k:
            raise Rejected("footfall below the policy's k")
    if report.privacy.epsilon > policy.epsilon_window:
        raise Rejected("release costs more than the policy allows")
    allowed = policy.channel_names
    if any(reading.channel not in allowed for reading in report.air):
        raise Rejected("air channel that the policy does not allow")


def name_faults(node: Node, faults: tuple[Fault, ...]) -> tuple[SensorFault, ...]:
    """Put the node's part names to its faults."""
    return tuple(SensorFault(_part(node, fault.sensor), fault.kind, fault.count) for fault in faults)


def add_report(session: Session, node: Node, epoch: Epoch, opened: Opened, sealed: bytes, now: datetime) -> ReportRow:
    """Store an opened report in the caller's transaction; raises Rejected where it does not fit the node."""
    report = opened.report
    enrolment = session.get_one(Chain, epoch.chain).enrolment
    traffic = name_cells(session, report)
    row = ReportRow(
        **report_columns(node, epoch, enrolment, opened, sealed, now),
        air=[AirRow(**vars(reading)) for reading in report.air],
        traffic=[TrafficRow(cell=index, **vars(counted)) for index, counted in enumerate(traffic)],
        faults=[FaultRow(part=_part(node, fault.sensor), **vars(fault)) for fault in report.faults],
        health=HealthRow(**vars(report.health)),
    )
    session.add(row)
    session.flush()
    return row


def report_columns(
    node: Node, epoch: Epoch, enrolment: int, opened: Opened, sealed: bytes, now: datetime
) -> dict[str, Any]:
    """The columns of a report's own row, but its id."""
    report = opened.report
    return {
        "node": node.id,
        "epoch": epoch.id,
        "epoch_number": epoch.number,
        "sequence": opened.sequence,
        "enrolment": enrolment,
        "index": whole_index(node, report.outbox.index),
        "window_start": datetime.fromtimestamp(report.start_s, UTC),
        "window_s": report.window_s,
        "clock": report.clock,
        "policy_version": report.privacy.policy,
        "epsilon": report.privacy.epsilon,
        "spent": report.privacy.spent,
        "footfall_bits": report.footfall.count if report.footfall else None,
        "footfall_withheld": report.footfall.withheld if report.footfall else None,
        "received_at": now,
        "sealed": sealed,
    }


def is_stored(session: Session, epoch: Epoch, sequence: int) -> bool:
    """Whether the city has the report that was sealed under this number."""
    query = select(ReportRow.id).where(ReportRow.epoch == epoch.id, ReportRow.sequence == sequence)
    return session.scalar(query) is not None


def reports(database: Database, node: str | None = None, limit: int | None = None) -> list[StoredReport]:
    """The newest `limit` reports (all without one), of `node` or of every node, oldest first; raises CityError."""
    with database.read() as session:
        query = (
            select(ReportRow, Node)
            .join(Node, Node.id == ReportRow.node)
            .order_by(ReportRow.window_start.desc(), ReportRow.id.desc())
            .limit(limit)
            .options(
                selectinload(ReportRow.air),
                selectinload(ReportRow.traffic),
                selectinload(ReportRow.faults),
                selectinload(ReportRow.health),
            )
        )
        if node is not None:
            query = query.where(ReportRow.node == select_node(session, node).id)
        return [_stored(row, owner) for row, owner in reversed(session.execute(query).all())]


def window_s(session: Session, node: Node) -> int:
    """The length of the node's windows as its newest report has it, else as it was provisioned."""
    query = select(ReportRow.window_s).where(ReportRow.node == node.id).order_by(ReportRow.received_at.desc()).limit(1)
    return session.scalar(query) or window_s_of(session, node.policy)


def newest_report(session: Session, epoch: Epoch) -> ReportRow | None:
    """The report with the highest number of an epoch; None before the first."""
    query = select(ReportRow).where(ReportRow.epoch == epoch.id, ReportRow.sequence == epoch.highest)
    return session.scalar(query)


def count_reports(database: Database) -> int:
    """How many reports the city has."""
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(ReportRow)) or 0


def _stored(row: ReportRow, node: Node) -> StoredReport:
    health = row.health
    return StoredReport(
        node=node.name,
        node_id=node.node_id,
        epoch=row.epoch_number,
        sequence=row.sequence,
        index=row.index,
        window_start=row.window_start,
        window_s=row.window_s,
        clock=row.clock,
        policy_version=row.policy_version,
        epsilon=row.epsilon,
        spent=row.spent,
        received_at=row.received_at,
        sealed_bytes=len(row.sealed),
        air=tuple(sorted((_reading(air) for air in row.air), key=lambda reading: _CHANNELS.index(reading.channel))),
        traffic=tuple(CellCount(t.road_user, t.direction, t.speed_band_kmh, t.count, t.withheld) for t in row.traffic),
        faults=tuple(SensorFault(f.part, f.kind, f.count) for f in row.faults),
        health=Health(
            health.reset_cause,
            health.heap_high_water_bytes,
            health.key_store,
            health.boots,
            health.safe_mode,
            health.kernel,
        ),
        footfall=_footfall(row),
    )


def _footfall(row: ReportRow) -> Count | None:
    if row.footfall_bits is None and row.footfall_withheld is None:
        return None
    return Count(row.footfall_bits, row.footfall_withheld)


def _reading(air: AirRow) -> AirReading:
    return AirReading(air.channel, air.unit, air.n, air.mean, air.minimum, air.maximum)


def _part(node: Node, sensor: int) -> str:
    """The part at place `sensor` of the node's configuration."""
    if sensor == FAULT_PLACE_IDENTITY:
        return str(node.configuration.get("identity", {}).get("part", "identity"))
    sensors = node.configuration.get("sensors", [])
    return str(sensors[sensor]["part"]) if sensor < len(sensors) else f"sensor {sensor}"
