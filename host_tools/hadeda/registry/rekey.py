"""A node's ready for a re-key: taken once, kept as pending until the node shows that it uses the new keys."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from hadeda.envelope import Ready, labels
from hadeda.errors import REPLAYED, Rejected
from hadeda.registry.commands import answer_rotate, lose, rotated_authorities
from hadeda.registry.epochs import (
    PENDING_MAX,
    Chain,
    EpochState,
    chain_signed_by,
    drop_pending,
    highest_known,
    node_of_identity,
    open_chain,
    pending_chains,
)
from hadeda.registry.key_material import KeyMaterial
from hadeda.registry.nodes import Node


def identity_of(session: Session, node_id: bytes) -> bytes | None:
    """The identity key with this thumbprint that a node has, had or takes with a pending re-key; None for others."""
    return session.scalar(select(Chain.identity).where(Chain.node_id == node_id.hex()).limit(1))


def accept_ready(session: Session, ready: Ready, now: datetime) -> tuple[Node, bool]:
    """Keep a verified ready as pending; (its node, whether it is new).

    The very same one again changes nothing while its chain is pending or current; to a registry that was restored it
    is new, and leads it to where the node is. Raises Rejected for a
    revoked node, a replay, and an identity that is somebody's already.
    """
    node = node_of_identity(session, ready.signer.hex())
    if node is None:
        raise Rejected("ready of a node that is not known")
    if node.revoked_at is not None:
        raise Rejected("node is revoked")
    known = session.scalar(select(Chain).where(Chain.node == node.id, Chain.ephemeral == ready.ephemeral))
    if known is not None:
        if known.state == EpochState.PAST or known.first != ready.epoch:
            raise Rejected(REPLAYED)
        return node, False
    signing = chain_signed_by(session, ready.signer)
    if signing is None:
        raise Rejected("ready of a node that is not known")
    if ready.epoch <= highest_known(session, node):
        raise Rejected("ready begins with an epoch that is not above all known ones")
    if ready.node_id != ready.signer and session.scalar(select(Chain.id).where(Chain.node_id == ready.node_id.hex())):
        raise Rejected("new identity is known already")
    changes = rotated_authorities(session, node, ready.command)
    changes[str(labels.ROLE_COLLECTOR)] = ready.collector_id.hex()
    _make_room(session, node, now)
    open_chain(
        session,
        Chain(
            node=node.id,
            enrolment=node.enrolments,
            state=EpochState.PENDING,
            first=ready.epoch,
            head=ready.epoch,
            root_material=KeyMaterial.of(ready.root),
            node_id=ready.node_id.hex(),
            identity=ready.identity,
            authorities={**signing.authorities, **changes},
            changes=changes,
            ephemeral=ready.ephemeral,
            command=ready.command,
            opened_at=now,
        ),
    )
    answer_rotate(session, node, ready.command, now)
    return node, True


def _make_room(session: Session, node: Node, now: datetime) -> None:
    """Bound the re-keys under way: one in the middle goes. The node can be on the oldest, and is to take the newest."""
    pending = pending_chains(session, node)
    if len(pending) >= PENDING_MAX:
        dropped = pending[PENDING_MAX // 2]
        drop_pending(session, dropped, now)
        lose(session, node, [dropped.command])
