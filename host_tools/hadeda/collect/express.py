"""The express lane: reports with nothing unusual about them, many in one transaction, without asking twice.

In a city at rest nearly every message is a new report of a node that is in its current epoch, owes nothing, is owed
nothing, and has no gaps; it may overtake another that the node still keeps. What the registry says of such a node (a
`Lane`) is kept in memory. It is true until somebody writes: what the collector changes drops the lanes of the nodes
concerned, and every transaction asks first, under the lock, whether anybody else has written, and then drops all of
them. So nothing here can differ from what the registry has. A message that is unusual in any way ends the batch, is
left alone, and goes to the collector itself: this file refuses nobody, it only steps aside.

Where several collectors share a database (registry/postgresql.py), what reports move on in a node and its epoch is read
anew for each batch, under a lock on their rows, and the lane of a node that was written about meanwhile is found anew.
Messages are opened before that, so that one collector checks signatures while the other stores.

What it stores is what the collector would have (tests/host/collect/test_express.py compares the rows).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from hadeda.city import City
from hadeda.collect.letters import DAY_S, FEW_WINDOWS, Posting, is_clock_off, only_receipts, receipt_due, seal_receipt
from hadeda.collect.replay import Accepted
from hadeda.envelope import Candidate, Opened, SealedMessage, labels, open_report, parse_sealed
from hadeda.errors import CityError, Rejected
from hadeda.policy.compiled import Compiled
from hadeda.registry.bulk import Batch, hold, times_touched
from hadeda.registry.cells import Cell, cell_names
from hadeda.registry.database import Watched
from hadeda.registry.epochs import Chain, Epoch, EpochState, candidates
from hadeda.registry.nodes import Node, whole_index
from hadeda.registry.outbox import has_gaps, stored_above
from hadeda.registry.policies import policy_of_version
from hadeda.registry.reports import CellCount, cells_under

Key = tuple[bytes, int]  # kid, epoch
LANES_MAX: Final = 65_536


@dataclass(frozen=True)
class Stored:
    """A report that is stored, and the letters to publish for it."""

    size: int
    node: str
    epoch: int
    sequence: int
    window_start: datetime
    letters: tuple[Posting, ...]


@dataclass
class Lane:
    """A node at rest, as the registry has it and as this batch leaves it.

    `above` are the indexes of its reports that are stored above what is complete (node.through).
    """

    node: Node
    chain: Chain
    epoch: Epoch
    candidate: Candidate
    accepted: Accepted
    above: set[int]
    touched: int = 0

    def through_with(self, index: int) -> int:
        """Up to where reports are complete when this one is stored."""
        through = self.node.through
        while through + 1 == index or through + 1 in self.above:
            through += 1
        return through


class Express:
    """Takes what is usual out of a row of messages. `watched` is what the collector writes with."""

    def __init__(self, city: City, watched: Watched, clock: Callable[[], datetime], failures_max: int) -> None:
        self._city = city
        self._clock = clock
        self._failures_max = failures_max
        self._watched = watched
        self._lanes: dict[Key, Lane] = {}
        self._of_node: dict[int, Key] = {}
        self._policies: dict[int, tuple[Compiled, list[Cell]]] = {}
        self._opened: dict[bytes, Opened] = {}  # of the last batch: what it has left comes again at once

    def forget(self) -> None:
        """Drop every key and every row that is kept here."""
        self._lanes.clear()
        self._of_node.clear()
        self._policies.clear()
        self._opened.clear()

    def drop(self, nodes: Iterable[int]) -> None:
        """Something about these nodes (row ids) has changed."""
        for node in nodes:
            if node in self._of_node:
                del self._lanes[self._of_node.pop(node)]

    def take(self, payloads: Sequence[bytes]) -> list[Stored]:
        """Store the first of them, up to one that is not usual, in one transaction; raises CityError like a write."""
        try:
            with self._watched.write(together=True) as connection:
                if len(self._lanes) > LANES_MAX:
                    self.forget()  # now only: until the batch is written, the lanes are ahead of the registry
                opened = self._open(connection, payloads)
                if not opened:
                    return []
                if self._watched.shared:
                    keys = {(message.kid, message.epoch) for message, _ in opened}
                    self._hold(connection, [self._lanes[key] for key in keys if key in self._lanes])
                batch, taken = Batch(connection, len(opened)), list[Stored]()
                for (message, report), payload in zip(opened, payloads, strict=False):
                    stored = self._one(connection, batch, message, report, payload)
                    if stored is None:
                        break
                    taken.append(stored)
                batch.write()
        except BaseException:
            self.forget()  # lanes have moved on, and the registry has not
            raise
        return taken

    def _open(self, connection: Connection, payloads: Sequence[bytes]) -> list[tuple[SealedMessage, Opened]]:
        """The first of them, up to one that no lane opens."""
        found, before = list[tuple[SealedMessage, Opened]](), self._opened
        self._opened = {}
        for payload in payloads:
            try:
                message = parse_sealed(payload)
                lane = self._lane(connection, message)
                if lane is None or message.sequence in lane.accepted or message.sequence >= labels.EPOCH_MESSAGES_MAX:
                    break
                opened = before.get(payload) or open_report(message, [lane.candidate])
            except (Rejected, CityError):
                break
            self._opened[payload] = opened
            found.append((message, opened))
        return found

    def _hold(self, connection: Connection, lanes: Iterable[Lane]) -> None:
        """Lock the rows of these lanes and bring the lanes up to date; one that was touched is dropped."""
        by_epoch = {lane.epoch.id: lane for lane in lanes}
        for key, touched, epoch, node in hold(connection, by_epoch):
            lane = by_epoch[key]
            if touched != lane.touched:
                self.drop([lane.node.id])
                continue
            for row, columns in ((lane.epoch, epoch), (lane.node, node)):
                for name, value in columns.items():
                    setattr(row, name, value)
            lane.accepted = Accepted.from_bytes(lane.epoch.highest, lane.epoch.seen)
            lane.above = stored_above(connection, lane.node)

    def _one(
        self, connection: Connection, batch: Batch, message: SealedMessage, opened: Opened, payload: bytes
    ) -> Stored | None:
        """Add one report to the batch; None, and nothing has moved, where it is for the collector."""
        now = self._clock()
        try:
            lane = self._lane(connection, message)
            if lane is None or lane.epoch.id != opened.candidate.handle or message.sequence in lane.accepted:
                return None
            traffic = self._usual(connection, lane, opened, now)
            if traffic is None:
                return None
            letters = self._receipt(lane, opened, now)
        except (Rejected, CityError):
            return None
        self._move(lane, opened, now)
        batch.add(lane.node, lane.epoch, lane.chain.enrolment, opened, traffic, payload, now)
        start = datetime.fromtimestamp(opened.report.start_s, UTC)
        return Stored(len(payload), lane.node.name, lane.epoch.number, opened.sequence, start, letters)

    def _lane(self, connection: Connection, message: SealedMessage) -> Lane | None:
        key = message.kid, message.epoch
        if key not in self._lanes:
            with Session(connection, expire_on_commit=False, autoflush=False) as session:
                found = self._find(session, message)
            if found is None:
                return None
            if self._watched.shared:
                found.touched = times_touched(connection, found.node.id)
            self.drop([found.node.id])  # it may have had another epoch
            self._lanes[key], self._of_node[found.node.id] = found, key
        return self._lanes[key]

    def _find(self, session: Session, message: SealedMessage) -> Lane | None:
        """The lane of whoever may have sent this; None where that is not clear, or he is not at rest."""
        found = candidates(session, message.kid, message.epoch, self._failures_max)
        if len(found) != 1:
            return None
        epoch = session.get_one(Epoch, found[0].handle)
        node, chain = session.get_one(Node, epoch.node), session.get_one(Chain, epoch.chain)
        current = epoch.state == chain.state == EpochState.CURRENT and epoch.number == chain.head
        at_rest = node.revoked_at is None and node.held is None
        if not current or not at_rest or chain.enrolment != node.enrolments:
            return None
        if has_gaps(session, node) or not only_receipts(session, node, epoch):
            return None
        accepted = Accepted.from_bytes(epoch.highest, epoch.seen)
        return Lane(node, chain, epoch, found[0], accepted, stored_above(session.connection(), node))

    def _usual(self, connection: Connection, lane: Lane, opened: Opened, now: datetime) -> tuple[CellCount, ...] | None:
        """Its cells, where the report is new, in good order, nothing before it is lost, and it has only its window."""
        report = opened.report
        if report.faults or report.answer or report.echo or report.footfall or report.outbox.gaps:
            return None
        index = whole_index(lane.node, report.outbox.index)
        if index in lane.above or not index - report.outbox.kept_before - 1 <= lane.node.through < index:
            return None
        if is_clock_off(report.clock, datetime.fromtimestamp(report.start_s, UTC), report.window_s, now):
            return None
        if FEW_WINDOWS * report.window_s >= DAY_S or not report.privacy.policy:
            return None
        return cells_under(*self._policy(connection, report.privacy.policy), report)

    def _policy(self, connection: Connection, version: int) -> tuple[Compiled, list[Cell]]:
        if version not in self._policies:
            with Session(connection, expire_on_commit=False, autoflush=False) as session:
                policy = policy_of_version(session, version)
            self._policies[version] = policy, cell_names(policy.cells)
        return self._policies[version]

    def _receipt(self, lane: Lane, opened: Opened, now: datetime) -> tuple[Posting, ...]:
        """The letter that is due when this report is stored, if one is; it is sealed before anything moves."""
        through = lane.through_with(whole_index(lane.node, opened.report.outbox.index))
        if not receipt_due(lane.epoch, through):
            return ()
        highest = max(lane.epoch.highest, opened.sequence)
        return (seal_receipt(self._city, lane.chain, lane.epoch, highest, through, now),)

    def _move(self, lane: Lane, opened: Opened, now: datetime) -> None:
        """What storing the report changes in node and epoch."""
        node, epoch = lane.node, lane.epoch
        lane.accepted = lane.accepted.including(opened.sequence)
        epoch.highest, epoch.seen = lane.accepted.highest, lane.accepted.to_bytes()
        index = whole_index(node, opened.report.outbox.index)
        node.through, node.newest = lane.through_with(index), max(node.newest, index)
        lane.above = {known for known in (*lane.above, index) if known > node.through}
        node.heard_at = now
        if opened.sequence == epoch.highest:
            node.policy = opened.report.privacy.policy
