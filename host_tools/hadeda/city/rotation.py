"""Rotation: which nodes get which keys, planned first and carried out afterwards, and which old keys nobody needs.

A role's new key is on disk before a command tells nodes of it. If the power fails in between, the keyring has a key
that no node knows yet: planning again for all nodes finds who lags behind, and tells them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from hadeda.city.city import City
from hadeda.city.keyring import ROLE_NAMES, CityKey
from hadeda.envelope import labels
from hadeda.errors import CityError
from hadeda.registry.commands import Command, CommandState, newest_rotation, queue, rotated_authorities, waiting
from hadeda.registry.epochs import current_chain, keys_in_use, pending_chains, standing
from hadeda.registry.nodes import Node, select_node
from hadeda.registry.reports import window_s

# Report, letter; ready; letter under the new keys; report under them: a session each, at the worst
SESSIONS: Final = 4
HEARD_LATELY: Final = 2  # windows
# Nodes take no release key from afar: the command key could give itself the say over their floors
BY_CABLE: Final = frozenset({labels.ROLE_RELEASE})


@dataclass(frozen=True)
class NodeStep:
    """What happens to one node; `skipped` says why nothing does, `before` what became of its last rotation, if nothing.

    `tells` are the roles whose current key the command carries, `signed_by` the thumbprint of the command key it is
    signed with, `done_by` when it should be over (None: some windows after the node reports again).
    """

    node: str
    node_id: str
    epoch: int
    last_heard: datetime | None
    skipped: str = ""
    before: str = ""
    tells: tuple[int, ...] = ()
    signed_by: bytes = b""
    done_by: datetime | None = None


@dataclass(frozen=True)
class Plan:
    """What a rotation does: city keys made anew, then one command to each node that is not skipped."""

    roles: tuple[int, ...]
    identity: bool
    compromised: bool
    steps: tuple[NodeStep, ...]


def plan(
    city: City,
    nodes: Sequence[Node],
    *,
    roles: Sequence[int] = (),
    identity: bool = False,
    compromised: bool = False,
    now: datetime | None = None,
) -> Plan:
    """Say what rotating would do to `nodes`; changes nothing, needs no passphrase."""
    now = now or datetime.now(UTC)
    with city.database.read() as session:
        steps = tuple(_step(city, session, node, tuple(roles), now) for node in nodes)
    return Plan(tuple(dict.fromkeys(roles)), identity, compromised, steps)


def carry_out(city: City, planned: Plan, now: datetime | None = None) -> list[Command]:
    """Make the new city keys and queue the commands, all of them in one transaction; raises CityError.

    Every key that is needed is unlocked before anything is written.
    """
    passphrases = {role: city.keyring.passphrase(role) for role in planned.roles}
    steps = [step for step in planned.steps if not step.skipped]
    for signer in {step.signed_by for step in steps}:
        city.keyring.private(labels.ROLE_COMMAND, signer)
    for role, passphrase in passphrases.items():
        city.keyring.rotate(role, passphrase, now=now)
    with city.database.write() as session:
        return [
            queue(
                session,
                select_node(session, step.node_id),
                labels.OPERATION_ROTATE,
                _arguments(city, step, planned.identity),
                lambda thumb: city.keyring.private(labels.ROLE_COMMAND, thumb),
                compromised=planned.compromised,
                now=now,
            )
            for step in steps
        ]


def behind(city: City, node: Node) -> tuple[int, ...]:
    """The roles whose current key the node does not know yet."""
    return tuple(
        role for role in labels.ROLES if node.authorities.get(str(role)) != city.keyring.thumbprint(role).hex()
    )


def key_state(city: City, session: Session, node: Node) -> str:
    """How a node's keys stand, in a few words."""
    if node.revoked_at is not None:
        return "revoked"
    if node.held is not None:
        return "held until it answers"
    if any(command.operation == labels.OPERATION_ROTATE for command in waiting(session, node)):
        return "rotation waits"
    unfinished = _unfinished(session, node)
    if unfinished:
        return unfinished
    if standing(session, node).pending is not None:
        return "new keys ready"
    unknown = behind(city, node)
    return "current" if not unknown else "behind: " + ", ".join(ROLE_NAMES[role] for role in unknown)


def erase_retired_keys(city: City) -> list[CityKey]:
    """Erase the city's retiring keys that no node in service uses or may still come to use; returns them."""
    with city.database.read() as session:
        needed = keys_in_use(session).union(*(_may_learn(session, node) for node in _in_service(session)))
    return city.keyring.erase_retired(lambda entry: entry.thumbprint.hex() in needed)


def users(city: City) -> dict[str, int]:
    """How many nodes in service know which of the city's keys, by the thumbprint in hexadecimal."""
    count: dict[str, int] = {}
    with city.database.read() as session:
        for node in _in_service(session):
            for thumb in node.authorities.values():
                count[thumb] = count.get(thumb, 0) + 1
    return count


def _unfinished(session: Session, node: Node) -> str:
    """What is left to do of a rotation that came to nothing; empty where none did."""
    if any(command.operation == labels.OPERATION_ROTATE for command in waiting(session, node)):
        return ""
    if node.close_past and all(chain.command < node.close_past for chain in pending_chains(session, node)):
        return "older keys still open: rotate --compromised again"
    newest = newest_rotation(session, node)
    lost = newest is not None and newest.state == CommandState.LOST
    return "last rotation lost: rotate again" if lost else ""


def _step(city: City, session: Session, node: Node, roles: tuple[int, ...], now: datetime) -> NodeStep:
    epoch = standing(session, node).epoch
    if node.revoked_at is not None:
        return NodeStep(node.name, node.node_id, epoch, node.heard_at, skipped="revoked")
    signer = bytes.fromhex(node.authorities[str(labels.ROLE_COMMAND)])
    try:
        city.keyring.entry(labels.ROLE_COMMAND, signer)
    except CityError:
        lost = "knows no command key that the city has, it needs a cable"
        return NodeStep(node.name, node.node_id, epoch, node.heard_at, skipped=lost)
    window = timedelta(seconds=window_s(session, node))
    heard_lately = node.heard_at is not None and now - node.heard_at <= HEARD_LATELY * window
    unknown = behind(city, node)
    tells = tuple(role for role in labels.ROLES if role in {*roles, *unknown} - BY_CABLE)
    if roles and not tells:
        keeps = f"takes a new {ROLE_NAMES[roles[0]]} key only over the cable, and keeps the old one"
        return NodeStep(node.name, node.node_id, epoch, node.heard_at, skipped=keeps)
    return NodeStep(
        node.name,
        node.node_id,
        epoch,
        node.heard_at,
        before=_unfinished(session, node),
        tells=tells,
        signed_by=signer,
        done_by=now + SESSIONS * window if heard_lately else None,
    )


def _arguments(city: City, step: NodeStep, identity: bool) -> dict[int, Any]:
    arguments: dict[int, Any] = {}
    if step.tells:
        arguments[labels.ROTATE_KEYS] = {role: city.keyring.public(role) for role in step.tells}
    if identity:
        arguments[labels.ROTATE_IDENTITY] = 1
    return arguments


def _in_service(session: Session) -> list[Node]:
    return list(session.scalars(select(Node).where(Node.revoked_at.is_(None))))


def _may_learn(session: Session, node: Node) -> set[str]:
    """Thumbprints of keys that the node learns from a command it may still execute, or may have, unheard.

    A node that took a command in its very last epoch keeps what it prepared for REKEY_GRACE epochs more. One that
    took a command takes none from before it.
    """
    chain = current_chain(session, node)
    told = select(Command.number).where(
        Command.node == node.id,
        Command.operation == labels.OPERATION_ROTATE,
        Command.number > chain.command,
        Command.last_epoch >= chain.head - labels.REKEY_GRACE,
    )
    return {thumb for number in session.scalars(told) for thumb in rotated_authorities(session, node, number).values()}
