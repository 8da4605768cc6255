"""Nodes and their epochs: who may report to the city, and with which keys."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import JSON, ForeignKey, LargeBinary, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from hadeda.envelope import Candidate, Enrolment, EpochKeys, epoch_keys
from hadeda.errors import CityError
from hadeda.registry.database import Base, Database, UtcDateTime

FIRST_EPOCH: Final = 1
CURRENT: Final = "current"
PAST: Final = "past"
NAME_MAX: Final = 64
# What reading a node's reports needs of its configuration; Wi-Fi and broker passwords are not kept here
KEPT_CONFIGURATION: Final = ("board", "version", "window_s", "sensors", "cells")
ID_PREFIX_MIN: Final = 4


class Node(Base):
    """A node. `node_id` is its identity key's thumbprint, hexadecimal; `configuration` is as it was provisioned."""

    __tablename__ = "node"

    id: Mapped[int] = mapped_column(primary_key=True)
    node_id: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(NAME_MAX))
    board: Mapped[str] = mapped_column(String(64))
    firmware: Mapped[str] = mapped_column(String(64))
    identity: Mapped[bytes] = mapped_column(LargeBinary)
    configuration: Mapped[dict[str, Any]] = mapped_column(JSON)
    enrolments: Mapped[int]
    enrolled_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Epoch(Base):
    """The keys of one epoch and the replay window of what came under them.

    Epochs count from 1 within an enrolment and only rise. `root_key` is RK of this epoch while it is the current one.
    `highest` is the highest sequence number accepted (-1: none); bit i of `seen` (8 bytes, big-endian) stands for
    `highest - i`.
    """

    __tablename__ = "epoch"
    __table_args__ = (UniqueConstraint("node", "enrolment", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    node: Mapped[int] = mapped_column(ForeignKey("node.id"))
    enrolment: Mapped[int]
    number: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    kid: Mapped[bytes] = mapped_column(LargeBinary, index=True)
    key_up: Mapped[bytes] = mapped_column(LargeBinary)
    iv_up: Mapped[bytes] = mapped_column(LargeBinary)
    key_down: Mapped[bytes] = mapped_column(LargeBinary)
    iv_down: Mapped[bytes] = mapped_column(LargeBinary)
    root_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    highest: Mapped[int] = mapped_column(default=-1)
    seen: Mapped[bytes] = mapped_column(LargeBinary, default=bytes(8))

    def keys(self) -> EpochKeys:
        """The epoch's keys as the envelope takes them."""
        return EpochKeys(self.kid, self.key_up, self.iv_up, self.key_down, self.iv_down)


def enrol(
    database: Database,
    enrolment: Enrolment,
    root: bytes,
    *,
    name: str,
    configuration: Mapping[str, Any],
    now: datetime | None = None,
) -> Node:
    """Register the node of a verified `enrolment` with its first epoch, in one transaction; raises CityError.

    A node that is known already gets fresh keys, its new name and configuration; its past epochs stay readable, so a
    backlog sealed before is not lost. An empty `name` becomes the beginning of its id.
    """
    now = now or datetime.now(UTC)
    node_id = enrolment.node_id.hex()
    name = name or f"node-{node_id[:8]}"
    if len(name) > NAME_MAX or not name.isprintable():
        raise CityError(f"{name[:NAME_MAX]!r} cannot be a node's name", f"use up to {NAME_MAX} printable characters")
    with database.write() as session:
        node = session.scalar(select(Node).where(Node.node_id == node_id))
        if node is not None and node.revoked_at is not None:
            raise CityError(f"node {node.name} was revoked", "erase its flash, so that it makes a new identity")
        _refuse_taken(session, name, node_id)
        if node is None:
            node = Node(node_id=node_id, identity=enrolment.identity, enrolments=0)
            session.add(node)
        node.name, node.board, node.firmware = name, enrolment.board, enrolment.firmware
        node.configuration = kept_configuration(configuration)
        node.enrolments, node.enrolled_at = node.enrolments + 1, now
        session.flush()
        _open_epoch(session, node, FIRST_EPOCH, root, now)
    return node


def nodes(database: Database) -> list[Node]:
    """Every node, revoked ones too, by name."""
    with database.read() as session:
        return list(session.scalars(select(Node).order_by(Node.name, Node.id)))


def find_node(database: Database, text: str) -> Node:
    """The node with the name `text`, or whose id begins with it (at least 4 digits); raises CityError."""
    with database.read() as session:
        return select_node(session, text)


def kept_configuration(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """What the registry keeps of a node's configuration."""
    return {key: configuration[key] for key in KEPT_CONFIGURATION if key in configuration}


def revoke(database: Database, text: str, now: datetime | None = None) -> Node:
    """Accept nothing more from a node, named as in `find_node`. Revoking it again changes nothing."""
    with database.write() as session:
        node = select_node(session, text)
        node.revoked_at = node.revoked_at or now or datetime.now(UTC)
    return node


def candidates(session: Session, kid: bytes, epoch: int) -> list[Candidate]:
    """The nodes and epochs a message with this kid and epoch may come from, revoked ones too; mostly one."""
    rows = session.execute(
        select(Epoch, Node).join(Node, Node.id == Epoch.node).where(Epoch.kid == kid, Epoch.number == epoch)
    )
    return [
        Candidate(bytes.fromhex(node.node_id), node.identity, row.number, row.keys(), handle=row.id)
        for row, node in rows
    ]


def _open_epoch(session: Session, node: Node, number: int, root: bytes, now: datetime) -> None:
    """Make epoch `number` the node's current one; the root key of those before is erased."""
    for past in session.scalars(select(Epoch).where(Epoch.node == node.id, Epoch.state == CURRENT)):
        past.state, past.root_key = PAST, None
    keys = epoch_keys(root, number)
    session.add(
        Epoch(
            node=node.id,
            enrolment=node.enrolments,
            number=number,
            state=CURRENT,
            opened_at=now,
            kid=keys.kid,
            key_up=keys.key_up,
            iv_up=keys.iv_up,
            key_down=keys.key_down,
            iv_down=keys.iv_down,
            root_key=root,
        )
    )


def _refuse_taken(session: Session, name: str, node_id: str) -> None:
    """Raise CityError where another node in service has this name."""
    taken = select(Node.id).where(Node.name == name, Node.node_id != node_id, Node.revoked_at.is_(None))
    if session.scalar(taken) is not None:
        raise CityError(f"another node is called {name}", "choose another name, or revoke that node first")


def select_node(session: Session, text: str) -> Node:
    """As `find_node`, in the caller's session."""
    named = list(session.scalars(select(Node).where(Node.name == text)))
    in_service = [node for node in named if node.revoked_at is None]
    found = in_service or named
    if not found and len(text) >= ID_PREFIX_MIN:
        found = list(session.scalars(select(Node).where(Node.node_id.startswith(text.lower(), autoescape=True))))
    if not found:
        raise CityError(f"no node is called {text}", "see `hadeda node list`")
    if len(found) > 1:
        raise CityError(f"{text} fits {len(found)} nodes", "give more digits of the node's id")
    return found[0]
