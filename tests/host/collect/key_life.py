"""For tests of the life of keys: a clock to turn, a collector, and shorthands for what they are asked most."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from sealing import SealingNode, enrolled, example_report
from sqlalchemy import select

from hadeda.city import City
from hadeda.collect import Collector, Outcome, Status
from hadeda.envelope import labels
from hadeda.registry import Chain, Command, Epoch, Node
from hadeda.registry.commands import queue
from hadeda.registry.nodes import select_node

START = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that stands until it is turned."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **amount: float) -> None:
        """By a timedelta's arguments."""
        self.now += timedelta(**amount)


@dataclass
class Scene:
    """A city with a node called corner, and a collector. `topics` are what stands retained at the broker."""

    city: City
    clock: Clock = field(default_factory=Clock)
    topics: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.node = enrolled(self.city)
        self.collector = Collector(self.city, clock=self.clock)

    def take(self, payload: bytes) -> Outcome:
        """The collector's verdict; its letters are published."""
        outcome = self.collector.receive(payload)
        self.publish(outcome.letters)
        return outcome

    def publish(self, letters: Any) -> None:
        """As a broker keeps retained messages."""
        for topic, payload in letters:
            if payload:
                self.topics[topic] = payload
            else:
                self.topics.pop(topic, None)

    def report(self, node: SealingNode, sequence: int, **fields: Any) -> Outcome:
        """What becomes of a good report of `node`."""
        return self.take(node.seal(example_report(**fields), sequence))

    def stored(self, node: SealingNode, sequence: int, **fields: Any) -> Outcome:
        """A report that has to be stored."""
        outcome = self.report(node, sequence, **fields)
        assert outcome.status is Status.STORED, outcome.reason
        return outcome

    def refusal(self, payload: bytes) -> str:
        """Why a message is refused; the registry is the same afterwards, but for counters of failures."""
        before = self.rows()
        outcome = self.take(payload)
        assert outcome.status in (Status.REJECTED, Status.REPLAYED), outcome
        assert self.rows() == before, "what is refused changes nothing"
        return outcome.reason

    def rows(self) -> list[Any]:
        """Every node, chain, epoch and command; without the counters of failures and of letters."""
        without = {"failures", "letter", "lettered_at"}
        found = []
        with self.city.database.read() as session:
            for table in (Node, Chain, Epoch, Command):
                names = [column.name for column in table.__table__.columns if column.name not in without]
                for row in session.scalars(select(table).order_by(table.id)):
                    found.append((table.__name__, [getattr(row, name) for name in names]))
        return found

    def epochs(self) -> dict[int, str]:
        """Number to state, of every epoch that is more than expected."""
        with self.city.database.read() as session:
            rows = session.scalars(select(Epoch).where(Epoch.state != "expected").order_by(Epoch.number))
            return {row.number: row.state for row in rows}

    def registered(self) -> Node:
        """The registry's row of the node."""
        with self.city.database.read() as session:
            return select_node(session, "corner")

    def command(self, operation: int, arguments: dict[int, Any] | None = None, **options: Any) -> Command:
        """Queue a command."""
        with self.city.database.write() as session:
            return queue(
                session, select_node(session, "corner"), operation, arguments or {}, self.command_key,
                now=self.clock(), **options,
            )  # fmt: skip

    def command_key(self, thumb: bytes) -> ec.EllipticCurvePrivateKey:
        """As whoever has the command key gives it."""
        return self.city.keyring.private(labels.ROLE_COMMAND, thumb)

    def letter(self, node: SealingNode) -> dict[int, Any] | None:
        """What stands at the topic that `node` listens to, opened; None where nothing does."""
        sealed = self.sealed_letter(node)
        return None if sealed is None else node.open_letter(sealed)

    def said(self, node: SealingNode) -> dict[int, Any] | None:
        """The same without the receipt."""
        letter = self.letter(node)
        return None if letter is None else {key: value for key, value in letter.items() if key != labels.LETTER_THROUGH}

    def sealed_letter(self, node: SealingNode) -> bytes | None:
        """The same, sealed."""
        return self.topics.get(f"hadeda/down/{node.keys['kid'].hex()}")

    def taken(self, node: SealingNode) -> SealingNode:
        """The node with its pending keys, once it has read the letter under them."""
        assert node.pending is not None
        assert self.letter(node.pending) is not None, "the city's word for the new keys"
        return node.pending
