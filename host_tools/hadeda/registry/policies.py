"""Policies the city has signed, by version: what nodes are given, and what their reports are read by.

A version is one policy for good: what was counted under it stays readable. Versions only rise, as on the nodes.
"""

from datetime import UTC, datetime

from sqlalchemy import LargeBinary, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from hadeda.envelope import cose
from hadeda.errors import NotYet, PolicyError
from hadeda.policy.compiled import Compiled, decompile
from hadeda.policy.schema import WINDOW_MIN_S
from hadeda.policy.signing import verify_policy
from hadeda.registry.database import Base, UtcDateTime


class PolicyRow(Base):
    """A signed policy. `compiled` is its CBOR, which is the payload of the COSE_Sign1 in `signed`."""

    __tablename__ = "policy"

    version: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    compiled: Mapped[bytes] = mapped_column(LargeBinary)
    signed: Mapped[bytes] = mapped_column(LargeBinary)
    signed_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def content(self) -> Compiled:
        """The policy, read."""
        return decompile(self.compiled)


def record(session: Session, signed: bytes, public: bytes, now: datetime | None = None) -> PolicyRow:
    """Keep a policy signed by the policy key `public` (65 bytes) for good; raises PolicyError.

    The very same policy again changes nothing, and the first signature stays. Another one under a version that is
    taken, or below the newest, is refused: nodes would refuse it too.
    """
    found = verify_policy(signed, public)
    compiled = cose.parse_sign1(signed).payload
    known = session.get(PolicyRow, found.version)
    if known is not None and known.compiled == compiled:
        return known
    newest = newest_policy(session)
    if known is not None:
        raise PolicyError(
            f"version {found.version} is another policy already ({known.name}), or another key signed it",
            f"give it a version above {newest.version if newest else found.version}",
        )
    if newest is not None and found.version < newest.version:
        raise PolicyError(
            f"version {found.version} is older than the city's newest, {newest.version}",
            f"give it a version above {newest.version}",
        )
    row = PolicyRow(
        version=found.version, name=found.name, compiled=compiled, signed=signed, signed_at=now or datetime.now(UTC)
    )
    session.add(row)
    session.flush()
    return row


def newest_policy(session: Session) -> PolicyRow | None:
    """The one with the highest version: what new nodes are given."""
    return session.scalar(select(PolicyRow).order_by(PolicyRow.version.desc()).limit(1))


def window_s_of(session: Session, version: int) -> int:
    """The window of a policy, in seconds; the shortest there is where the city does not know it."""
    row = session.get(PolicyRow, version)
    return WINDOW_MIN_S if row is None else row.content.window_s


def policy_of_version(session: Session, version: int) -> Compiled:
    """What a report of this version was made under; raises NotYet where the city has signed no such policy."""
    row = session.get(PolicyRow, version)
    if row is None:
        raise NotYet(f"policy {version} is not known")
    return row.content
