"""One message at a time: known kid, AEAD, signature, replay window, store. The last two are one transaction.

Nothing a stranger sends raises: the outcome says `rejected`, the reason goes to the log and, with the bytes, to the
quarantine. Only a database that cannot be used raises (CityError), because then the message has to come again.
"""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from hadeda.city import City
from hadeda.collect.replay import REPLAYED, ReplayWindow
from hadeda.envelope import Opened, SealedMessage, open_report, parse_sealed
from hadeda.errors import CityError, Rejected
from hadeda.registry.nodes import Epoch, Node, candidates
from hadeda.registry.quarantine import add_refused
from hadeda.registry.reports import add_report

log = logging.getLogger("hadeda.collect")


class Status(StrEnum):
    """What became of a message."""

    STORED = "stored"
    REPLAYED = "replayed"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Outcome:
    """What became of one message. `node` is a name; it and what follows are there for stored messages only."""

    status: Status
    size: int
    reason: str = ""
    node: str = ""
    epoch: int = 0
    sequence: int = 0
    window_start: datetime | None = None


def utc_now() -> datetime:
    """The present in UTC."""
    return datetime.now(UTC)


class Collector:
    """Opens and stores what arrives for a city. `counts` says how many messages ended how, by status."""

    def __init__(self, city: City, clock: Callable[[], datetime] = utc_now) -> None:
        self.counts: Counter[Status] = Counter()
        self._database = city.database
        self._recipient = city.collector_id
        self._clock = clock

    def receive(self, payload: bytes) -> Outcome:
        """Take one message off the wire; raises CityError where the database cannot be used, and nothing else."""
        try:
            outcome = self._accept(payload)
        except Rejected as refusal:
            outcome = self._refuse(payload, refusal.reason)
        except CityError:
            raise
        except Exception as defect:  # a defect of ours must not stop the others' reports; the bytes are kept for us
            log.exception("a message could not be processed")
            outcome = self._refuse(payload, f"collector failed with {type(defect).__name__}")
        self.counts[outcome.status] += 1
        return outcome

    def _accept(self, payload: bytes) -> Outcome:
        message = parse_sealed(payload)
        opened = self._open(message)
        with self._database.write() as session:
            epoch = session.get_one(Epoch, opened.candidate.handle, with_for_update=True)
            node = session.get_one(Node, epoch.node)
            if node.revoked_at is not None:
                raise Rejected("node is revoked")
            window = ReplayWindow.from_bytes(epoch.highest, epoch.seen).admit(opened.sequence)
            epoch.highest, epoch.seen = window.highest, window.to_bytes()
            row = add_report(session, node, epoch, opened, payload, self._clock())
            return Outcome(
                Status.STORED,
                len(payload),
                node=node.name,
                epoch=epoch.number,
                sequence=row.sequence,
                window_start=row.window_start,
            )

    def _open(self, message: SealedMessage) -> Opened:
        with self._database.read() as session:
            known = candidates(session, message.kid, message.epoch)
        return open_report(message, known, self._recipient)

    def _refuse(self, payload: bytes, reason: str) -> Outcome:
        log.warning("refused %d bytes: %s", len(payload), reason)
        with self._database.write() as session:
            add_refused(session, reason, payload, self._clock())
        status = Status.REPLAYED if reason == REPLAYED else Status.REJECTED
        return Outcome(status, len(payload), reason)
