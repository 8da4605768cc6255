"""After a restore: the backup has forgotten what was received, sealed and revoked since it was made."""

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hadeda import randomness
from hadeda.envelope.labels import CHALLENGE_SIZE
from hadeda.registry.commands import Command
from hadeda.registry.database import Database
from hadeda.registry.epochs import KEYLESS, Epoch
from hadeda.registry.nodes import Node
from hadeda.registry.numbers import START, far_above
from hadeda.registry.revoking import revoke_forgotten


def hold_all(database: Database, now: datetime | None = None) -> int:
    """Take nothing from any node in service until it has echoed a challenge; how many nodes.

    Everything received since the backup could be replayed. A letter brings each node its challenge when it reports;
    see collect/letters.py. Numbers of letters and commands go on from somewhere far above, because nobody knows how
    many were used; nodes that `revoked.txt` names are revoked again.
    """
    now = now or datetime.now(UTC)
    revoke_forgotten(database, now)
    with database.write() as session:
        in_service = list(session.scalars(select(Node).where(Node.revoked_at.is_(None))))
        for node in in_service:
            hold(session, node, now)
    return len(in_service)


def hold(session: Session, node: Node, now: datetime) -> None:
    """Take nothing from this node until it has echoed a challenge, and number letters and commands from far above."""
    node.held = randomness.token_bytes(CHALLENGE_SIZE)
    last = session.scalar(select(func.max(Command.number)).where(Command.node == node.id)) or 0
    node.command_base = far_above(max(last, node.command_base), now)
    living = select(Epoch).where(Epoch.node == node.id, Epoch.state.not_in(KEYLESS))
    for epoch in session.scalars(living):
        epoch.letter = far_above(epoch.letter, now)
        epoch.lettered_at = epoch.lettered_at and START  # what stands there has no challenge
