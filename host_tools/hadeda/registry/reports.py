"""The report store: a row for each report; its air channels, traffic cells, faults and health have their own tables."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ForeignKey, LargeBinary, String, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship, selectinload

from hadeda.envelope import AirReading, Fault, Health, Opened
from hadeda.envelope.labels import CHANNELS
from hadeda.errors import Rejected
from hadeda.registry.cells import Cell, cell_names
from hadeda.registry.database import Base, Database, UtcDateTime
from hadeda.registry.epochs import Epoch
from hadeda.registry.nodes import Node, select_node

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
    """One traffic cell of one report; `count` is null where the node withheld it."""

    __tablename__ = "traffic"

    report: Mapped[int] = mapped_column(ForeignKey("report.id"), primary_key=True)
    cell: Mapped[int] = mapped_column(primary_key=True)
    road_user: Mapped[str] = mapped_column(String(32))
    direction: Mapped[str] = mapped_column(String(32))
    speed_band_kmh: Mapped[str] = mapped_column(String(16))
    count: Mapped[int | None]


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
    waiting: Mapped[int]
    key_store: Mapped[str] = mapped_column(String(16))
    boots: Mapped[int]


class ReportRow(Base):
    """A report as it was accepted, with the sealed bytes it came in."""

    __tablename__ = "report"
    __table_args__ = (UniqueConstraint("epoch", "sequence"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    node: Mapped[int] = mapped_column(ForeignKey("node.id"), index=True)
    epoch: Mapped[int] = mapped_column(ForeignKey("epoch.id"))
    epoch_number: Mapped[int]
    sequence: Mapped[int]
    window_start: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    window_s: Mapped[int]
    clock: Mapped[str] = mapped_column(String(16))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    air: Mapped[list[AirRow]] = relationship(lazy="raise")
    traffic: Mapped[list[TrafficRow]] = relationship(lazy="raise", order_by=TrafficRow.cell)
    faults: Mapped[list[FaultRow]] = relationship(lazy="raise", order_by=FaultRow.sensor)
    health: Mapped[HealthRow] = relationship(lazy="raise")


@dataclass(frozen=True)
class CellCount:
    """The passages counted in one cell; None was withheld."""

    road_user: str
    direction: str
    speed_band_kmh: str
    count: int | None


@dataclass(frozen=True)
class SensorFault:
    """How often which sensor failed how."""

    part: str
    kind: str
    count: int


@dataclass(frozen=True)
class StoredReport:
    """A report as the city reads it."""

    node: str
    node_id: str
    epoch: int
    sequence: int
    window_start: datetime
    window_s: int
    clock: str
    received_at: datetime
    sealed_bytes: int
    air: tuple[AirReading, ...]
    traffic: tuple[CellCount, ...]
    faults: tuple[SensorFault, ...]
    health: Health


def name_cells(node: Node, counts: tuple[int | None, ...]) -> tuple[CellCount, ...]:
    """Put the node's cell names to `counts`; raises Rejected where they are not as many as it was configured with."""
    cells = cell_names(node.configuration)
    if len(cells) != len(counts):
        raise Rejected(f"{len(counts)} traffic cells from a node that has {len(cells)}")
    return tuple(_counted(cell, count) for cell, count in zip(cells, counts, strict=True))


def name_faults(node: Node, faults: tuple[Fault, ...]) -> tuple[SensorFault, ...]:
    """Put the node's part names to its faults."""
    return tuple(SensorFault(_part(node, fault.sensor), fault.kind, fault.count) for fault in faults)


def add_report(session: Session, node: Node, epoch: Epoch, opened: Opened, sealed: bytes, now: datetime) -> ReportRow:
    """Store an opened report in the caller's transaction; raises Rejected where it does not fit the node."""
    report = opened.report
    traffic = name_cells(node, report.traffic)
    health = report.health
    row = ReportRow(
        node=node.id,
        epoch=epoch.id,
        epoch_number=epoch.number,
        sequence=opened.sequence,
        window_start=datetime.fromtimestamp(report.start_s, UTC),
        window_s=report.window_s,
        clock=report.clock,
        received_at=now,
        sealed=sealed,
        air=[AirRow(**vars(reading)) for reading in report.air],
        traffic=[TrafficRow(cell=index, **vars(counted)) for index, counted in enumerate(traffic)],
        faults=[FaultRow(part=_part(node, fault.sensor), **vars(fault)) for fault in report.faults],
        health=HealthRow(**vars(health)),
    )
    session.add(row)
    session.flush()
    return row


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
    return session.scalar(query) or int(node.configuration["window_s"])


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
        window_start=row.window_start,
        window_s=row.window_s,
        clock=row.clock,
        received_at=row.received_at,
        sealed_bytes=len(row.sealed),
        air=tuple(sorted((_reading(air) for air in row.air), key=lambda reading: _CHANNELS.index(reading.channel))),
        traffic=tuple(CellCount(t.road_user, t.direction, t.speed_band_kmh, t.count) for t in row.traffic),
        faults=tuple(SensorFault(f.part, f.kind, f.count) for f in row.faults),
        health=Health(health.reset_cause, health.heap_high_water_bytes, health.waiting, health.key_store, health.boots),
    )


def _reading(air: AirRow) -> AirReading:
    return AirReading(air.channel, air.unit, air.n, air.mean, air.minimum, air.maximum)


def _counted(cell: Cell, count: int | None) -> CellCount:
    return CellCount(cell.road_user, cell.direction, cell.speed_band_kmh, count)


def _part(node: Node, sensor: int) -> str:
    """The part at place `sensor` of the node's configuration."""
    sensors = node.configuration.get("sensors", [])
    return str(sensors[sensor]["part"]) if sensor < len(sensors) else f"sensor {sensor}"
