"""Enrolling: a node at the cable becomes one of the city's, with the first epoch of its first chain."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from hadeda.envelope import Enrolment, cose, thumbprint
from hadeda.errors import CityError
from hadeda.policy.compiled import decompile
from hadeda.registry.database import Database
from hadeda.registry.epochs import Chain, EpochState, node_of_identity, open_chain, retire_older
from hadeda.registry.key_material import KeyMaterial
from hadeda.registry.nodes import NAME_MAX, Node, kept_configuration
from hadeda.registry.revoking import revoked_ids

FIRST_EPOCH: Final = 1


def enrol(
    database: Database,
    enrolment: Enrolment,
    root: bytes,
    *,
    name: str,
    configuration: Mapping[str, Any],
    authorities: Mapping[int, bytes],
    now: datetime | None = None,
) -> Node:
    """Register the node of a verified `enrolment` with its first epoch, in one transaction; raises CityError.

    `authorities` are the city's public keys (65 bytes) that the node was given, by role. A node that is known already
    gets fresh keys, its new name and configuration; its past epochs stay readable, so a backlog sealed before is not
    lost. An empty `name` becomes the beginning of its id.
    """
    now = now or datetime.now(UTC)
    node_id = enrolment.node_id.hex()
    name = name or f"node-{node_id[:8]}"
    if len(name) > NAME_MAX or not name.isprintable():
        raise CityError(f"{name[:NAME_MAX]!r} cannot be a node's name", f"use up to {NAME_MAX} printable characters")
    with database.write() as session:
        node = node_of_identity(session, node_id)
        if node_id in revoked_ids(database) or (node is not None and node.revoked_at is not None):
            raise CityError(f"node {node.name if node else name} was revoked", "erase its flash for a new identity")
        _refuse_taken(session, name, node)
        if node is None:
            node = Node(enrolments=0)
            session.add(node)
        node.node_id, node.identity = node_id, enrolment.identity
        node.name, node.board, node.firmware = name, enrolment.board, enrolment.firmware
        node.configuration = kept_configuration(configuration)
        node.authorities = {str(role): thumbprint(public).hex() for role, public in sorted(authorities.items())}
        give(node, configuration)
        node.enrolments, node.enrolled_at, node.held = node.enrolments + 1, now, None
        node.through = node.newest = 0
        session.flush()
        _open_first_chain(session, node, enrolment, root, now)
    return node


def _open_first_chain(session: Session, node: Node, enrolment: Enrolment, root: bytes, now: datetime) -> None:
    chain = Chain(
        node=node.id,
        enrolment=node.enrolments,
        state=EpochState.CURRENT,
        first=FIRST_EPOCH,
        head=FIRST_EPOCH,
        root_material=KeyMaterial.of(root),
        node_id=node.node_id,
        identity=enrolment.identity,
        authorities=dict(node.authorities),
        ephemeral=enrolment.ephemeral,
        command=0,
        opened_at=now,
    )
    retire_older(session, node, chain, now)
    open_chain(session, chain)


def give(node: Node, configuration: Mapping[str, Any]) -> None:
    """Note what a node takes from its configuration: policy, floor, network. Raises PolicyError for a damaged one."""
    if "policy" in configuration:
        node.policy = decompile(cose.parse_sign1(configuration["policy"]).payload).version
    node.floor = configuration.get("floor", node.floor)
    node.network = None


def _refuse_taken(session: Session, name: str, known: Node | None) -> None:
    """Raise CityError where another node in service has this name."""
    taken = session.scalars(select(Node).where(Node.name == name, Node.revoked_at.is_(None)))
    if any(node is not known for node in taken):
        raise CityError(f"another node is called {name}", "choose another name, or revoke that node first")
