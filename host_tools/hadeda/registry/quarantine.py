"""The quarantine: what the city refused, with the reason; bounded, so that noise cannot fill a disk.

What opened and was refused all the same (a node is held, a number is too old) is bounded apart, so that noise, which
anybody with the broker's login can make, does not push it out.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from sqlalchemy import LargeBinary, String, UniqueConstraint, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from hadeda.envelope.labels import SEALED_MAX
from hadeda.registry.database import Base, Database, UtcDateTime

ROWS_MAX: Final = 10_000


class QuarantineRow(Base):
    """A refused message. The same bytes refused again for the same reason are counted, not kept twice."""

    __tablename__ = "quarantine"
    __table_args__ = (UniqueConstraint("digest", "reason"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(String(128))
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int]
    head: Mapped[bytes] = mapped_column(LargeBinary)
    count: Mapped[int]
    first_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    authentic: Mapped[bool] = mapped_column(default=False)


@dataclass(frozen=True)
class Refused:
    """A row of the quarantine: `head` is the message, cut at the size a genuine one can have; `size` was its own."""

    reason: str
    size: int
    count: int
    first_at: datetime
    last_at: datetime
    head: bytes


def add_refused(
    session: Session, reason: str, payload: bytes, now: datetime, rows_max: int = ROWS_MAX, *, authentic: bool = False
) -> None:
    """Put a refused message in, in the caller's transaction; above `rows_max` the ones not seen for longest go.

    `authentic` ones, which opened, and the others are counted each for themselves.
    """
    digest = sha256(payload).digest()
    row = session.scalar(select(QuarantineRow).where(QuarantineRow.digest == digest, QuarantineRow.reason == reason))
    if row is not None:
        row.count, row.last_at = row.count + 1, now
        return
    session.add(
        QuarantineRow(
            reason=reason,
            digest=digest,
            size=len(payload),
            head=payload[:SEALED_MAX],
            count=1,
            first_at=now,
            last_at=now,
            authentic=authentic,
        )
    )
    session.flush()
    alike = QuarantineRow.authentic.is_(authentic)
    surplus = (session.scalar(select(func.count()).select_from(QuarantineRow).where(alike)) or 0) - rows_max
    if surplus > 0:
        oldest = select(QuarantineRow.id).where(alike).order_by(QuarantineRow.last_at, QuarantineRow.id).limit(surplus)
        session.execute(delete(QuarantineRow).where(QuarantineRow.id.in_(oldest)))


def refused(database: Database, limit: int | None = None) -> list[Refused]:
    """The quarantine, last seen first."""
    with database.read() as session:
        query = select(QuarantineRow).order_by(QuarantineRow.last_at.desc(), QuarantineRow.id.desc()).limit(limit)
        return [
            Refused(row.reason, row.size, row.count, row.first_at, row.last_at, row.head)
            for row in session.scalars(query)
        ]
