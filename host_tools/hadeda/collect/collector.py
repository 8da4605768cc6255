"""One message at a time: known kid, AEAD, signature, was it here before, store. The last two are one transaction.

With them goes what the message proves: that its node has ratcheted, or has taken a re-key. A re-key message (tag 96)
becomes a pending chain. Whatever a node sends, its letters may be due anew afterwards: they are in the outcome, to be
published by whoever has the connection. A report that was stored already has been sent again because its node has no
receipt: it is counted as repeated, and changes nothing.

Nothing a stranger sends raises: the outcome says `rejected`, the reason goes to the log and, with the bytes, to the
quarantine. Only a database that cannot be used raises (CityError), because then the message has to come again.
"""

import hmac
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from hadeda.city import City
from hadeda.clock import utc_now
from hadeda.collect.express import Express
from hadeda.collect.letters import Posting, due_letters, sweep
from hadeda.collect.replay import Accepted
from hadeda.envelope import Opened, Ready, SealedMessage, labels, open_rekey, open_report, parse_rekey, parse_sealed
from hadeda.envelope.opening import Unopened
from hadeda.envelope.ready import CollectorKeys
from hadeda.errors import REPLAYED, CityError, NotYet, Rejected
from hadeda.registry.commands import answer, expire, follow_up
from hadeda.registry.epochs import FAILURES_MAX, Chain, Epoch, candidates, close_older, purge, settle
from hadeda.registry.nodes import Node
from hadeda.registry.outbox import account, give_up
from hadeda.registry.quarantine import add_refused
from hadeda.registry.rekey import accept_ready, identity_of
from hadeda.registry.reports import add_report, is_stored
from hadeda.registry.revoking import revoke_forgotten

log = logging.getLogger("hadeda.collect")

PURGE_EVERY: Final = timedelta(hours=1)
BATCH_MAX: Final = 256  # messages a transaction
REKEY_HEAD: Final = bytes([0xD8, labels.TAG_ENCRYPT])
REVOKED: Final = "node is revoked"
HELD: Final = "held since the registry was restored"
CLOSED: Final = "from before the registry was restored"


class Status(StrEnum):
    """What became of a message."""

    STORED = "stored"
    READY = "ready"  # a re-key, which now waits for the node to take it
    REPEATED = "repeated"  # a report or a ready that the city has
    REPLAYED = "replayed"  # a ready of a chain that is over
    REJECTED = "rejected"


@dataclass(frozen=True)
class Outcome:
    """What became of one message. `node` is a name; it and what follows are there for accepted messages only.

    `letters` are to be published retained, (topic, payload) each; an empty payload clears the topic.
    """

    status: Status
    size: int
    reason: str = ""
    node: str = ""
    epoch: int = 0
    sequence: int = 0
    window_start: datetime | None = None
    letters: tuple[Posting, ...] = ()


class Collector:
    """Opens and stores what arrives for a city. `counts` says how many messages ended how, by status.

    `failures_max` is how many messages under one key may fail to open before it is tried no more. Keys older than the
    backlog horizon are erased now, and then with a message, once an hour; nodes that a restored database has forgotten
    to be revoked are revoked now. Raises CityError where the collector's keys
    or the receipt key cannot be had; it needs no other.
    """

    def __init__(
        self, city: City, clock: Callable[[], datetime] = utc_now, *, failures_max: int = FAILURES_MAX
    ) -> None:
        self.counts: Counter[Status] = Counter()
        self._city = city
        self._database = city.database
        self._collectors: CollectorKeys = city.keyring.privates(labels.ROLE_COLLECTOR)
        city.keyring.private(labels.ROLE_RECEIPT)  # a locked key is asked for now, not in the night
        self._clock = clock
        self._failures_max = failures_max
        self._purged_at = clock()
        self._watched = city.database.watched()
        self._express = Express(city, self._watched, clock, failures_max)
        self._watched.on_disturbed = self._express.forget
        self._scrub = True  # what another process erased may still be in the log
        self._swept: tuple[Posting, ...] = ()
        for name in revoke_forgotten(self._database, clock()):
            log.warning("%s is revoked again: the database had forgotten it", name)
        self._purge()

    def receive(self, payload: bytes) -> Outcome:
        """Take one message off the wire; raises CityError where the database cannot be used, and nothing else."""
        self._purge_if_due()
        try:
            outcome = self._accept(payload)
        except Rejected as refusal:
            outcome = self._refuse(payload, refusal.reason, refusal.tried if isinstance(refusal, Unopened) else ())
        except CityError:
            raise
        except Exception as defect:  # a defect of ours must not stop the others' reports; the bytes are kept for us
            log.exception("a message could not be processed")
            outcome = self._refuse(payload, f"collector failed with {type(defect).__name__}")
        return self._finished(outcome)

    def receive_many(self, payloads: Sequence[bytes]) -> list[Outcome]:
        """Take them in order, the usual ones together (express.py); as `receive`, and as durable when it returns.

        Where the database fails, some of them may be stored already: when they come again, they are repeated.
        """
        outcomes: list[Outcome] = []
        while len(outcomes) < len(payloads):
            self._purge_if_due()
            taken = self._express.take(payloads[len(outcomes) :][:BATCH_MAX])
            outcomes += [self._finished(Outcome(Status.STORED, **vars(stored))) for stored in taken]
            if len(outcomes) < len(payloads):
                outcomes.append(self.receive(payloads[len(outcomes)]))
        return outcomes

    def letters(self) -> list[Posting]:
        """Everything to publish for every node, as after a message of each: for a new connection to the broker."""
        now = self._clock()
        with self._write() as session:
            found = list(session.scalars(select(Node).order_by(Node.id)))
            return [posting for node in found for posting in due_letters(session, self._city, node, now)]

    @contextmanager
    def _write(self) -> Iterator[Session]:
        """A session in one transaction; what it changes, the express lane forgets."""
        with self._watched.session() as session:
            yield session
        self._express.drop(session.nodes)

    def _finished(self, outcome: Outcome) -> Outcome:
        """Count it, and let go with it what the last purge has left to do."""
        if self._swept:
            outcome = replace(outcome, letters=outcome.letters + self._swept)
            self._swept = ()
        if self._scrub:
            self._scrub = not self._watched.scrub()
        self.counts[outcome.status] += 1
        return outcome

    def _purge_if_due(self) -> None:
        if abs(self._clock() - self._purged_at) >= PURGE_EVERY:
            self._purge()

    def _accept(self, payload: bytes) -> Outcome:
        if payload.startswith(REKEY_HEAD):
            return self._accept_ready(payload)
        message = parse_sealed(payload)
        if message.sequence >= labels.EPOCH_MESSAGES_MAX:
            raise Rejected("sequence number beyond an epoch's last")
        opened = self._open(message)
        try:
            with self._write() as session:
                return self._settle_and_store(session, opened, payload)
        except Rejected as refusal:
            return self._refuse(payload, refusal.reason, opened=opened, for_good=not isinstance(refusal, NotYet))

    def _open(self, message: SealedMessage) -> Opened:
        with self._database.read() as session:
            known = candidates(session, message.kid, message.epoch, self._failures_max)
        return open_report(message, known)

    def _settle_and_store(self, session: Session, opened: Opened, payload: bytes) -> Outcome:
        now = self._clock()
        epoch = session.get(Epoch, opened.candidate.handle)
        if epoch is None:
            raise Rejected("epoch is closed")
        node = session.get_one(Node, epoch.node)
        if node.revoked_at is not None:
            return self._refused_from(session, node, REVOKED, payload)
        head_before = epoch.state
        promotion = settle(session, node, epoch, now)
        if promotion is not None:
            follow_up(session, node, promotion)
        expire(session, node, epoch.number)
        self._scrub = self._scrub or epoch.state != head_before
        if node.held is not None and not hmac.compare_digest(node.held, opened.report.echo or b""):
            return self._refused_from(session, node, HELD, payload)
        accepted = Accepted.from_bytes(epoch.highest, epoch.seen)
        if opened.sequence in accepted:
            return self._repeated(session, node, epoch, opened, payload)
        accepted = accepted.including(opened.sequence)
        released = node.held is not None
        if released:
            accepted = Accepted.closed_at(accepted.highest)
            close_older(session, node, epoch, now)
            node.held, self._scrub = None, True
        epoch.highest, epoch.seen = accepted.highest, accepted.to_bytes()
        row = add_report(session, node, epoch, opened, payload, now)
        if row.enrolment == node.enrolments:
            account(session, node, opened.report.outbox, now, alone=released)
        node.heard_at = now
        if opened.sequence == accepted.highest:
            node.policy = opened.report.privacy.policy
        if opened.report.answer is not None:
            answer(session, node, opened.report.answer.number, opened.report.answer.result, now)
            self._scrub = True  # a set-network has passwords until it is answered
        return Outcome(
            Status.STORED,
            len(payload),
            node=node.name,
            epoch=epoch.number,
            sequence=row.sequence,
            window_start=row.window_start,
            letters=tuple(due_letters(session, self._city, node, now)),
        )

    def _repeated(self, session: Session, node: Node, epoch: Epoch, opened: Opened, payload: bytes) -> Outcome:
        """Its node has no receipt for it, or somebody plays it again: it changes nothing, and a letter may be due."""
        if not is_stored(session, epoch, opened.sequence):
            return self._refused_from(session, node, CLOSED, payload)
        letters = due_letters(session, self._city, node, self._clock(), repeated=True, missed=True)
        return Outcome(
            Status.REPEATED,
            len(payload),
            node=node.name,
            epoch=epoch.number,
            sequence=opened.sequence,
            letters=tuple(letters),
        )

    def _accept_ready(self, payload: bytes) -> Outcome:
        message = parse_rekey(payload)
        with self._database.read() as session:
            ready = open_rekey(message, self._collector_keys(), lambda node_id: identity_of(session, node_id))
        with self._write() as session:
            return self._keep_ready(session, ready, payload)

    def _collector_keys(self) -> CollectorKeys:
        """The keys of the keyring as it is now, or as it was last where a new one is locked."""
        try:
            self._collectors = self._city.keyring.privates(labels.ROLE_COLLECTOR)
        except CityError as error:
            log.error("%s", error)
        return self._collectors

    def _keep_ready(self, session: Session, ready: Ready, payload: bytes) -> Outcome:
        now = self._clock()
        node, is_new = accept_ready(session, ready, now)
        self._scrub = self._scrub or is_new  # one that it supersedes may be dropped for it
        return Outcome(
            Status.READY if is_new else Status.REPEATED,
            len(payload),
            node=node.name,
            epoch=ready.epoch,
            letters=tuple(due_letters(session, self._city, node, now, repeated=not is_new)),
        )

    def _refused_from(self, session: Session, node: Node, reason: str, payload: bytes) -> Outcome:
        """Refuse what is genuine, and keep what it proved; the node's letters are due all the same."""
        now = self._clock()
        log.warning("refused %d bytes: %s", len(payload), reason)
        add_refused(session, reason, payload, now, authentic=True)
        letters = due_letters(session, self._city, node, now, repeated=True)
        return Outcome(Status.REJECTED, len(payload), reason, letters=tuple(letters))

    def _refuse(
        self,
        payload: bytes,
        reason: str,
        tried: tuple[int, ...] = (),
        *,
        opened: Opened | None = None,
        for_good: bool = True,
    ) -> Outcome:
        """Put it into the quarantine. A node need not keep what opened and is refused for good."""
        log.warning("refused %d bytes: %s", len(payload), reason)
        with self._write() as session:
            for epoch in session.scalars(select(Epoch).where(Epoch.id.in_(tried))):
                epoch.failures += 1
            add_refused(session, reason, payload, self._clock(), authentic=opened is not None)
            if opened is not None and for_good:
                self._let_go(session, opened)
        status = Status.REPLAYED if reason == REPLAYED else Status.REJECTED
        return Outcome(status, len(payload), reason)

    def _let_go(self, session: Session, opened: Opened) -> None:
        epoch = session.get(Epoch, opened.candidate.handle)
        chain = epoch and session.get(Chain, epoch.chain)
        node = epoch and session.get(Node, epoch.node)
        if chain and node and chain.enrolment == node.enrolments:
            give_up(session, node, opened.report.outbox, self._clock())

    def _purge(self) -> None:
        with self._write() as session:
            erased = purge(session, self._clock())
            self._swept += tuple(sweep(session, self._city, self._clock()))
        self._purged_at = self._clock()
        self._scrub = self._scrub or bool(erased)
        self._express.forget()  # keys that another collector has erased
