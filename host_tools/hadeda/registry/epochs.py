"""Epochs and chains: the keys of every node, those it had, has, and will have next.

A chain begins with a key agreement (enrolment or re-key) and goes on by ratchets: RK_{e+1} of RK_e, without a message.
The registry keeps one root key for each living chain, that of its newest epoch, and of the EPOCHS_AHEAD epochs behind
it the kids only. What a message proves by opening is settled in the transaction that stores it:

    expected -- opens --> current          the epochs before become past, the old root key is overwritten
    pending  -- opens --> current          the node has taken a re-key: all older chains are past, their roots gone.
                                           Until then every re-key it announced is kept: it may have taken any of them
    past     -- 35 days -> erased          receive keys for a backlog sealed long ago
    past     -- compromise, restore --> closed     at once

Epoch numbers only rise within an enrolment, so "older" is always told by them.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import JSON, ForeignKey, LargeBinary, String, UniqueConstraint, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from hadeda.envelope import Candidate, EpochKeys, epoch_keys, labels, next_root
from hadeda.envelope.keys import ROOT_KEY_SIZE
from hadeda.errors import Rejected
from hadeda.registry.database import Base, UtcDateTime
from hadeda.registry.key_material import KeyMaterial
from hadeda.registry.nodes import Node

log = logging.getLogger("hadeda.registry")

BACKLOG: Final = timedelta(days=35)
# Far below what it takes to guess a tag of 128 bits, far above what a thief with the broker's login can send
FAILURES_MAX: Final = 1 << 36
PENDING_MAX: Final = 64
KEY_SIZES: Final = (labels.KEY_SIZE, labels.IV_SIZE, labels.KEY_SIZE, labels.IV_SIZE)


class EpochState(StrEnum):
    """Where an epoch stands. Only current, pending and past ones have keys; an expected one's are derived to try it."""

    EXPECTED = "expected"
    CURRENT = "current"
    PENDING = "pending"
    PAST = "past"
    CLOSED = "closed"
    ERASED = "erased"


KEYLESS: Final = {
    EpochState.CLOSED: "epoch is closed",
    EpochState.ERASED: "keys of this epoch are erased",
}


class Chain(Base):
    """A chain of epochs from one key agreement, and what the node is known by while it lasts.

    `state` is pending, current or past. `first` is the number of its first epoch, `head` of its newest. `authorities`
    are the city keys the node knows: role (digits) to thumbprint (hexadecimal), `changes` those of them that came with
    this chain. `ephemeral` is the point that the node made it with, `command` the rotate that asked for it, or 0.
    """

    __tablename__ = "chain"
    __table_args__ = (UniqueConstraint("node", "ephemeral"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    node: Mapped[int] = mapped_column(ForeignKey("node.id"), index=True)
    enrolment: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    first: Mapped[int]
    head: Mapped[int]
    root: Mapped[int] = mapped_column(ForeignKey("key_material.id"))
    node_id: Mapped[str] = mapped_column(String(64), index=True)
    identity: Mapped[bytes] = mapped_column(LargeBinary)
    authorities: Mapped[dict[str, str]] = mapped_column(JSON)
    changes: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    ephemeral: Mapped[bytes] = mapped_column(LargeBinary)
    command: Mapped[int]
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    root_material: Mapped[KeyMaterial] = relationship(lazy="joined", innerjoin=True)

    @property
    def root_key(self) -> bytes | None:
        """RK of epoch `head`, None once the chain is past."""
        found = self.root_material.take(ROOT_KEY_SIZE)
        return None if found is None else found[0]

    @property
    def recipient(self) -> bytes:
        """Thumbprint of the collector key that the node seals to."""
        return bytes.fromhex(self.authorities[str(labels.ROLE_COLLECTOR)])


class Epoch(Base):
    """The keys of one epoch, and which messages came under them.

    `highest` is the highest sequence number accepted (-1: none); bit i of `seen` (big-endian) stands for number i.
    `failures` counts messages that named this epoch and did not open. `letter` is the number of the last letter sealed
    under it, `lettered_at` when that was, None where none stands at the broker; `receipt` the index up to which it said
    that reports are not needed any more, `errand` whether it asked for anything. No `id` comes twice: a message that
    was opened under an epoch is never booked to another one.
    """

    __tablename__ = "epoch"
    __table_args__ = (UniqueConstraint("chain", "number"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    node: Mapped[int] = mapped_column(ForeignKey("node.id"), index=True)
    chain: Mapped[int] = mapped_column(ForeignKey("chain.id"))
    number: Mapped[int]
    state: Mapped[str] = mapped_column(String(16), index=True)
    kid: Mapped[bytes] = mapped_column(LargeBinary, index=True)
    keys: Mapped[int | None] = mapped_column(ForeignKey("key_material.id"))
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    highest: Mapped[int] = mapped_column(default=-1)
    seen: Mapped[bytes] = mapped_column(LargeBinary, default=b"")
    failures: Mapped[int] = mapped_column(default=0)
    letter: Mapped[int] = mapped_column(default=0)
    lettered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    receipt: Mapped[int] = mapped_column(default=0)
    errand: Mapped[bool] = mapped_column(default=False)
    material: Mapped[KeyMaterial | None] = relationship(lazy="joined")

    def set_keys(self, keys: EpochKeys) -> None:
        """Keep the keys themselves, of an epoch that was expected or is new."""
        if self.material is None:
            self.material = KeyMaterial.of(keys.key_up + keys.iv_up + keys.key_down + keys.iv_down)

    def erase_keys(self) -> None:
        """Forget them."""
        if self.material is not None:
            self.material.erase()


@dataclass(frozen=True)
class Standing:
    """Where a node's keys stand, for people.

    `ratchets` is the age of its chain, `pending` the number of the epoch that a re-key will begin with (None: none
    under way), `past` how many older epochs can still be received.
    """

    epoch: int
    ratchets: int
    pending: int | None
    past: int


@dataclass(frozen=True)
class Promotion:
    """A node has taken a re-key. `resigned`: it has another identity or command key, so what was signed before is void.

    `lost` are the numbers of the rotate commands that older re-keys answered, which it did not take.
    """

    resigned: bool
    lost: tuple[int, ...]


def candidates(session: Session, kid: bytes, number: int, failures_max: int = FAILURES_MAX) -> list[Candidate]:
    """The nodes and epochs a message with this kid and epoch may come from, revoked ones too; mostly one.

    Raises Rejected where there are some, but none that may be tried.
    """
    found, refusal = [], ""
    query = select(Epoch, Chain).join(Chain, Chain.id == Epoch.chain).where(Epoch.kid == kid, Epoch.number == number)
    for row, chain in session.execute(query):
        if row.state in KEYLESS:
            refusal = KEYLESS[EpochState(row.state)]
        elif row.failures >= failures_max:
            refusal = "too many messages under this key did not open"
        else:
            keys = keys_of(chain, row)
            found.append(
                Candidate(bytes.fromhex(chain.node_id), chain.identity, chain.recipient, row.number, keys, row.id)
            )
    if refusal and not found:
        raise Rejected(refusal)
    return found


def keys_of(chain: Chain, epoch: Epoch) -> EpochKeys:
    """The keys of an epoch that has some or is expected; raises Rejected for one that is closed or erased."""
    if epoch.state == EpochState.EXPECTED:
        for number, root in _roots(chain):
            if number == epoch.number:
                return epoch_keys(root, number)
    found = None if epoch.material is None else epoch.material.take(*KEY_SIZES)
    if found is None:
        raise Rejected(KEYLESS[EpochState.CLOSED])
    return EpochKeys(epoch.kid, *found)


def open_chain(session: Session, chain: Chain) -> Epoch:
    """Add a new chain (with its root key) and its first epoch, which is current or pending as the chain is."""
    session.add(chain)
    session.flush()
    _, root = next(_roots(chain))
    keys = epoch_keys(root, chain.first)
    head = Epoch(node=chain.node, chain=chain.id, number=chain.first, state=chain.state, kid=keys.kid)
    head.set_keys(keys)
    session.add(head)
    session.flush()
    _look_ahead(session, chain)
    return head


def settle(session: Session, node: Node, epoch: Epoch, now: datetime) -> Promotion | None:
    """Draw the conclusions of a message that opened under `epoch`: whoever sealed it has come that far.

    They hold for a replayed message too. A promotion is for commands.py to follow up. Raises Rejected where the epoch
    was closed meanwhile.
    """
    if epoch.state in KEYLESS:
        raise Rejected(KEYLESS[EpochState(epoch.state)])
    chain = session.get_one(Chain, epoch.chain)
    if epoch.state == EpochState.EXPECTED:
        _advance(session, chain, epoch, now)
    if chain.state == EpochState.PENDING:
        return _promote(session, node, chain, now)
    return None


def retire_older(session: Session, node: Node, chain: Chain, now: datetime) -> None:
    """Make the node's chains before `chain` past: root keys erased, receive keys kept for the backlog."""
    for older in _living_chains(session, node):
        if (older.enrolment, older.first) < (chain.enrolment, chain.first):
            _retire(session, older, now)


def retire_revoked(session: Session, node: Node, now: datetime) -> None:
    """End the node's chains where they stand: roots erased; receive keys kept, to know its messages from others'."""
    for chain in _living_chains(session, node):
        _end(session, chain, now)


def close_older(session: Session, node: Node, epoch: Epoch, now: datetime) -> None:
    """Accept nothing more under the node's epochs before `epoch`; their keys are erased at once.

    A pending re-key that begins before it goes too: a node that has come so far has dropped it.
    """
    enrolment = session.get_one(Chain, epoch.chain).enrolment
    for overtaken in pending_chains(session, node):
        if overtaken.id != epoch.chain and (overtaken.enrolment, overtaken.first) < (enrolment, epoch.number):
            _retire(session, overtaken, now)
    query = select(Epoch, Chain.enrolment).join(Chain, Chain.id == Epoch.chain).where(Epoch.node == node.id)
    query = query.where(Epoch.state.not_in([EpochState.EXPECTED, *KEYLESS]))
    for row, its_enrolment in session.execute(query):
        if (its_enrolment, row.number) < (enrolment, epoch.number):
            row.state, row.closed_at = EpochState.CLOSED, now
            row.erase_keys()
    session.flush()


def drop_pending(session: Session, chain: Chain, now: datetime) -> None:
    """Forget a re-key that came to nothing."""
    _retire(session, chain, now)
    for row in session.scalars(select(Epoch).where(Epoch.chain == chain.id, Epoch.state == EpochState.PAST)):
        row.state = EpochState.ERASED
        row.erase_keys()
    session.flush()


def purge(session: Session, now: datetime) -> int:
    """Erase the keys of epochs past for longer than the backlog horizon; how many.

    Nothing is erased while no report has come for as long: that looks like a clock that jumped ahead, and what it
    would cost cannot be had back. A clock that was ahead and is set back delays erasing by one horizon.
    """
    heard = session.scalar(select(func.max(Node.heard_at)))
    if heard is not None and now - heard > BACKLOG:
        log.warning("no old keys are erased until a report comes: is the clock right? The last one came at %s", heard)
        return 0
    past = select(Epoch).where(Epoch.state == EpochState.PAST)
    for row in session.scalars(past.where(Epoch.closed_at > now)):
        row.closed_at = now
    erased = 0
    for row in session.scalars(past.where(Epoch.closed_at <= now - BACKLOG)):
        row.state = EpochState.ERASED
        row.erase_keys()
        erased += 1
    session.flush()
    return erased


def newest_number(session: Session, node: int) -> int:
    """The highest number among the current and pending epochs of the node with this row id: it may be that far."""
    states = (EpochState.CURRENT, EpochState.PENDING)
    return session.scalar(select(func.max(Epoch.number)).where(Epoch.node == node, Epoch.state.in_(states))) or 0


def highest_known(session: Session, node: Node) -> int:
    """The highest epoch number, expected ones included, since the node was enrolled last."""
    query = select(func.max(Epoch.number)).join(Chain, Chain.id == Epoch.chain)
    return session.scalar(query.where(Epoch.node == node.id, Chain.enrolment == node.enrolments)) or 0


def pending_chains(session: Session, node: Node) -> list[Chain]:
    """The node's re-keys under way, newest first: only the first gets letters."""
    return [chain for chain in reversed(_living_chains(session, node)) if chain.state == EpochState.PENDING]


def current_chain(session: Session, node: Node) -> Chain:
    """The chain of the node's current epoch."""
    return next(chain for chain in _living_chains(session, node) if chain.state == EpochState.CURRENT)


def chain_signed_by(session: Session, node_id: bytes) -> Chain | None:
    """The living chain under which some node has the identity with this thumbprint: its current one, else a pending.

    A node signs a ready with the identity of a pending chain only once it has taken that chain; before, and when it
    dropped it, with the current one's.
    """
    living = select(Chain).where(Chain.node_id == node_id.hex(), Chain.state != EpochState.PAST)
    found = sorted(session.scalars(living), key=lambda chain: (chain.state != EpochState.CURRENT, -chain.first))
    return found[0] if found else None


def node_of_identity(session: Session, node_id: str) -> Node | None:
    """The node that has the identity with this thumbprint (64 hexadecimal digits), had it once, or is about to."""
    query = select(Node).join(Chain, Chain.node == Node.id).where(Chain.node_id == node_id)
    return session.scalars(query).first()


def epoch_of(session: Session, chain: Chain, number: int) -> Epoch:
    """The row of one epoch of a chain."""
    return session.scalars(select(Epoch).where(Epoch.chain == chain.id, Epoch.number == number)).one()


def standing(session: Session, node: Node) -> Standing:
    """Where the node's keys stand."""
    chain = current_chain(session, node)
    pending = pending_chains(session, node)
    past = select(func.count()).select_from(Epoch).where(Epoch.node == node.id, Epoch.state == EpochState.PAST)
    return Standing(
        chain.head, chain.head - chain.first, pending[0].first if pending else None, session.scalar(past) or 0
    )


def keys_in_use(session: Session) -> set[str]:
    """Thumbprints (hexadecimal) of the city keys that some node in service knows, or is about to."""
    query = select(Chain.authorities).join(Node, Node.id == Chain.node).where(Node.revoked_at.is_(None))
    living = query.where(Chain.state.in_((EpochState.CURRENT, EpochState.PENDING)))
    return {thumb for authorities in session.scalars(living) for thumb in authorities.values()}


def _living_chains(session: Session, node: Node) -> list[Chain]:
    """The node's chains that have a root key, oldest first."""
    query = select(Chain).where(Chain.node == node.id, Chain.state != EpochState.PAST)
    return list(session.scalars(query.order_by(Chain.enrolment, Chain.first)))


def _roots(chain: Chain) -> Iterator[tuple[int, bytes]]:
    """(number, root key) of the chain's head and of the epochs expected behind it."""
    root = chain.root_key
    if root is None:
        raise Rejected(KEYLESS[EpochState.CLOSED])
    for number in range(chain.head, chain.head + labels.EPOCHS_AHEAD + 1):
        yield number, root
        root = next_root(root)


def _look_ahead(session: Session, chain: Chain) -> None:
    """Store the kids to expect that are not there yet."""
    known = session.scalar(select(func.max(Epoch.number)).where(Epoch.chain == chain.id)) or 0
    for number, root in _roots(chain):
        if number > known:
            kid = epoch_keys(root, number).kid
            session.add(Epoch(node=chain.node, chain=chain.id, number=number, state=EpochState.EXPECTED, kid=kid))
    session.flush()


def _advance(session: Session, chain: Chain, epoch: Epoch, now: datetime) -> None:
    """Make the expected `epoch` the head of its chain; those before are past. The old root key is overwritten."""
    between = select(Epoch).where(Epoch.chain == chain.id, Epoch.number >= chain.head, Epoch.number <= epoch.number)
    rows = {row.number: row for row in session.scalars(between)}
    for number, root in _roots(chain):
        row = rows[number]
        row.set_keys(epoch_keys(root, number))
        if number == epoch.number:
            row.state, chain.head = chain.state, number
            chain.root_material.put(root)
            break
        row.state, row.closed_at = EpochState.PAST, now
    session.flush()
    _look_ahead(session, chain)


def _promote(session: Session, node: Node, chain: Chain, now: datetime) -> Promotion:
    """Make a pending chain the node's current one: the node has shown that it took it."""
    head = epoch_of(session, chain, chain.head)
    chain.state = head.state = EpochState.CURRENT
    lost = tuple(older.command for older in pending_chains(session, node) if _was_lost(node, older, chain))
    retire_older(session, node, chain, now)
    if node.close_past and _made_since(session, chain, node.close_past):
        close_older(session, node, head, now)
        node.close_past = 0
    for newer in pending_chains(session, node):  # made by a node that knew this chain's keys already
        newer.authorities = {**chain.authorities, **newer.changes}
    command = str(labels.ROLE_COMMAND)
    resigned = (node.node_id, node.authorities[command]) != (chain.node_id, chain.authorities[command])
    node.node_id, node.identity, node.authorities = chain.node_id, chain.identity, dict(chain.authorities)
    session.flush()
    return Promotion(resigned, lost)


def _was_lost(node: Node, older: Chain, taken: Chain) -> bool:
    """Whether `older` answered a command and came to nothing; an identity that came with it and lives on says no."""
    lives_on = older.node_id == taken.node_id != node.node_id
    return older.command > 0 and older.first < taken.first and not lives_on


def _made_since(session: Session, chain: Chain, command: int) -> bool:
    """Whether the node had this rotate command, or a later one, when it made `chain`; when it arrived tells nothing."""
    before = select(Chain.id).where(Chain.node == chain.node, Chain.enrolment == chain.enrolment)
    return session.scalar(before.where(Chain.command >= command, Chain.first <= chain.first).limit(1)) is not None


def _retire(session: Session, chain: Chain, now: datetime) -> None:
    chain.state = EpochState.PAST
    _end(session, chain, now)


def _end(session: Session, chain: Chain, now: datetime) -> None:
    """No epoch follows the chain's newest, and that one is past."""
    head = epoch_of(session, chain, chain.head)
    head.state, head.closed_at = EpochState.PAST, now
    chain.root_material.erase()
    session.execute(delete(Epoch).where(Epoch.chain == chain.id, Epoch.state == EpochState.EXPECTED))
    session.flush()
