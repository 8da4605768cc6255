"""Nodes: who may report to the city. Their keys are in epochs.py."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, LargeBinary, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from hadeda.errors import CityError
from hadeda.registry.database import Base, Database, UtcDateTime

NAME_MAX: Final = 64
# What reading a node's reports needs of its configuration; Wi-Fi and broker passwords are not kept here
KEPT_CONFIGURATION: Final = ("board", "version", "sensors", "identity")
ID_PREFIX_MIN: Final = 4
INDEX_MODULUS: Final = 1 << 16  # a report has the low 16 bits of its index


class Node(Base):
    """A node. `node_id` is its identity key's thumbprint, hexadecimal; `configuration` is as it was provisioned.

    `authorities` are the city keys it knows: role (digits) to thumbprint (hexadecimal). `held` is the challenge that
    it has to echo before anything is taken from it, after the registry was restored. `close_past` is the number of the
    rotate command after which its older epochs are closed at once, or 0. `command_base` is a number that its commands
    stay above. `policy` is the version that it was last known to count under (0: none), `floor` the CBOR of the floor
    it was last known to hold. `through` and `newest` are indexes of its reports since it was enrolled last: the city
    needs none up to the first any more (registry/outbox.py), and knows of none above the second. `network` is what
    commands have changed of the network it was provisioned with, by names as `wifi_ssid` and without passwords; None:
    nothing.
    """

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
    heard_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    authorities: Mapped[dict[str, str]] = mapped_column(JSON)
    held: Mapped[bytes | None] = mapped_column(LargeBinary)
    close_past: Mapped[int] = mapped_column(default=0)
    command_base: Mapped[int] = mapped_column(default=0)
    policy: Mapped[int] = mapped_column(default=0)
    floor: Mapped[bytes | None] = mapped_column(LargeBinary)
    through: Mapped[int] = mapped_column(default=0)
    newest: Mapped[int] = mapped_column(default=0)
    network: Mapped[dict[str, Any] | None] = mapped_column(JSON)


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


def whole_index(node: Node, low: int) -> int:
    """The index with these low 16 bits that is nearest to the highest one known of the node."""
    half = INDEX_MODULUS // 2
    found = node.newest - half + (low - node.newest + half) % INDEX_MODULUS
    return found if found > 0 else found + INDEX_MODULUS
