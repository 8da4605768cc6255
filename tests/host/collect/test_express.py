"""Many messages taken together come to the same as one after the other: rows, letters, counts, whatever they are."""

import random
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from key_life import START, Clock
from sealing import SealingNode, enrolled, example_report
from sqlalchemy import event, select

from hadeda.city import City
from hadeda.collect import Collector, Outcome, Status
from hadeda.collect import express as express_module
from hadeda.envelope import labels
from hadeda.errors import CityError
from hadeda.registry import Epoch, Node, count_reports, revoke
from hadeda.registry.commands import queue
from hadeda.registry.database import Base
from hadeda.registry.nodes import select_node
from hadeda.registry.reports import ReportRow

NAMES = ("corner", "bridge", "market")
BEFORE_S = 3600
BOTH = pytest.mark.parametrize("two", ["sqlite", "postgresql"], indirect=True)


class Two:
    """One city twice: `one` takes messages singly, `many` takes them together."""

    def __init__(self, folder: Path, new_database: Callable[..., str] | None) -> None:
        self.clock = Clock()
        url = new_database() if new_database else ""
        with City.init(folder / "one", "Testville", database=url) as city:
            self.nodes = [enrolled(city, name) for name in NAMES]
        shutil.copytree(folder / "one", folder / "many")
        if new_database:
            settings = folder / "many" / "city.toml"
            settings.write_text(settings.read_text().replace(url, new_database(url)))
        self.cities = City.open(folder / "one"), City.open(folder / "many")
        self.one, self.many = (Collector(city, clock=self.clock) for city in self.cities)
        self.indexes = dict.fromkeys(NAMES, 0)

    def report(self, **changes: Any) -> dict[int, Any]:
        """A good report of now."""
        return example_report(**{"r1": int(self.clock().timestamp()) - BEFORE_S, **changes})

    def take(self, messages: list[bytes]) -> list[Outcome]:
        """Both take them, and say and have the same afterwards."""
        singly = [self.one.receive(message) for message in messages]
        together = self.many.receive_many(messages)
        assert together == singly
        assert self.many.counts == self.one.counts
        assert self.rows(self.cities[1]) == self.rows(self.cities[0])
        return together

    def both(self, change: Callable[[City], None]) -> None:
        """The same to both."""
        for city in self.cities:
            change(city)

    @staticmethod
    def rows(city: City) -> dict[str, list[Any]]:
        """Every row of every table; reports are numbered from 1 on, because PostgreSQL leaves out numbers."""
        with city.database.read() as session:
            reports = list(session.scalars(select(ReportRow.id).order_by(ReportRow.id)))
            place = {number: index for index, number in enumerate(reports, 1)}
            parts = ("air", "traffic", "fault", "health")
            numbered = {"report.id", *(f"{part}.report" for part in parts)}
            return {
                table.name: [
                    tuple(place[value] if str(column) in numbered else value
                          for column, value in zip(table.c, row, strict=True))
                    for row in session.execute(select(table).order_by(*table.primary_key))
                ]
                for table in Base.metadata.sorted_tables
            }  # fmt: skip


@pytest.fixture
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Two]:
    """On SQLite unless the test's parameter is "postgresql"."""
    on_postgresql = getattr(request, "param", "") == "postgresql"
    found = Two(tmp_path, request.getfixturevalue("new_database") if on_postgresql else None)
    yield found
    for city in found.cities:
        city.close()


@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages went by the express lane, batch by batch."""
    sizes: list[int] = []
    take = express_module.Express.take

    def counted(self: express_module.Express, payloads: Any) -> Any:
        taken = take(self, payloads)
        sizes.append(len(taken))
        return taken

    monkeypatch.setattr(express_module.Express, "take", counted)
    return sizes


@BOTH
def test_what_is_usual_is_one_transaction(two: Two, usual: list[int]) -> None:
    two.take([two.nodes[0].seal(two.report(), 0)])
    commits: list[int] = []
    messages = [node.seal(two.report(), number) for number in range(1, 9) for node in two.nodes]
    usual.clear()
    event.listen(two.cities[1].database._keeping, "commit", lambda _connection: commits.append(1))
    outcomes = two.take(messages)
    assert usual == [len(messages)]
    assert len(commits) == 1
    assert [outcome.status for outcome in outcomes] == [Status.STORED] * len(messages)
    assert sum(bool(outcome.letters) for outcome in outcomes) >= 2 * len(two.nodes), "receipts"


def bad(two: Two, node: SealingNode, number: int, dice: random.Random) -> bytes:
    """A message that is unusual in some way, or no message of ours at all."""
    return dice.choice(
        [
            lambda: dice.randbytes(200),
            lambda: node.seal(two.report(), number, high_s=True),
            lambda: node.seal(two.report(r5=[12] * 7), number),
            lambda: node.seal(two.report(r5=[12] * 7 + [4]), number),
            lambda: node.seal(two.report(r10=[9, 500_000, 500_000, 1]), number),
            lambda: node.seal(two.report(r10=[0, 0, 0, 1], r4={}, r5=[]), number),
            lambda: node.seal(two.report(r6={8 + 3: 2}), number),
            lambda: node.seal(two.report(r3=1), number),
            lambda: node.seal(two.report(r8=[7, 0]), number),
            lambda: node.seal(two.report(r12=[number + 3, 1]), number),
            lambda: node.seal(two.report(r12=[number + 2, number + 1, 1, 1]), number),
            lambda: node.seal(two.report(), labels.EPOCH_MESSAGES_MAX),
            lambda: node.seal(two.report(), number, epoch=2),
            lambda: SealingNode.seal(two.nodes[0], two.report(), number, signer=two.nodes[1].identity),
            lambda: b"",
        ]
    )()


@pytest.mark.parametrize(
    ("two", "seed"), [("sqlite", 0), ("sqlite", 1), ("sqlite", 2), ("postgresql", 3)], indirect=["two"]
)
def test_whatever_comes_in_between_both_have_the_same(two: Two, usual: list[int], seed: int) -> None:
    dice = random.Random(seed)
    numbers = dict.fromkeys(NAMES, 0)
    sent: list[bytes] = []
    for _ in range(12):
        two.clock.forward(minutes=15)
        messages = []
        for _ in range(dice.randint(1, 12)):
            which = dice.randrange(len(NAMES))
            name, node = NAMES[which], two.nodes[which]
            throw = dice.random()
            if throw < 0.08 and sent:
                messages.append(dice.choice(sent))
            elif throw < 0.16:
                messages.append(bad(two, node, numbers[name], dice))
            elif throw < 0.2:
                two.nodes[which] = node.ratchet()
                numbers[name] = 0
            else:
                messages.append(node.seal(two.report(), numbers[name]))
                sent.append(messages[-1])
            numbers[name] += dice.choice((1, 1, 1, 1, 2))
        if dice.random() < 0.2:
            dice.shuffle(messages)
        two.take(messages)
        if dice.random() < 0.3:
            command(two, NAMES[dice.randrange(len(NAMES))])
    assert sum(usual) > 10, "nothing went by the express lane: this test sees nothing"
    assert len(two.many.counts) > 1, "everything was stored: this test sees nothing"


@BOTH
def test_what_overtakes_what_the_node_still_keeps_is_usual_too(two: Two, usual: list[int]) -> None:
    dice, waiting = random.Random(1), list[bytes]()
    for number in range(30):
        two.clock.forward(minutes=15)
        waiting += [node.seal(two.report(r12=[number + 1, min(number, 12)]), number) for node in two.nodes]
        dice.shuffle(waiting)
        two.take([waiting.pop() for _ in range(dice.randrange(min(len(waiting), 7)))])
    two.take(waiting)
    assert sum(usual) > 80
    with two.cities[1].database.read() as session:
        assert {node.through for node in session.scalars(select(Node))} == {30}


def command(two: Two, name: str) -> None:
    """The city has something to say to a node."""

    def give(city: City) -> None:
        with city.database.write() as session:
            queue(
                session, select_node(session, name), labels.OPERATION_LOCATE, {},
                lambda thumb: city.keyring.private(labels.ROLE_COMMAND, thumb), now=two.clock(),
            )  # fmt: skip

    two.both(give)


@BOTH
def test_a_command_that_another_process_gives_is_in_the_next_letter(two: Two, usual: list[int]) -> None:
    two.take([two.nodes[0].seal(two.report(), 0), two.nodes[0].seal(two.report(), 1)])
    command(two, NAMES[0])
    usual.clear()
    (outcome,) = two.take([two.nodes[0].seal(two.report(), 2)])
    assert usual == [0]
    assert outcome.letters


@BOTH
def test_a_node_that_is_revoked_meanwhile_is_refused(two: Two) -> None:
    two.take([two.nodes[0].seal(two.report(), number) for number in range(3)])
    two.both(lambda city: revoke(city.database, NAMES[0], now=two.clock()))
    (outcome,) = two.take([two.nodes[0].seal(two.report(), 3)])
    assert (outcome.status, outcome.reason) == (Status.REJECTED, "node is revoked")


def test_one_message_counts_once_in_a_batch(two: Two) -> None:
    sealed = two.nodes[0].seal(two.report(), 1)
    first, *again = two.take([two.nodes[0].seal(two.report(), 0), sealed, sealed, sealed])[1:]
    assert first.status is Status.STORED
    assert {outcome.status for outcome in again} == {Status.REPEATED}


def test_lanes_are_given_up_between_batches_only(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(express_module, "LANES_MAX", 1)
    for number in range(3):
        messages = [node.seal(two.report(), number) for node in two.nodes]
        outcomes = two.take(messages + messages)
        assert [outcome.status for outcome in outcomes] == [Status.STORED] * 3 + [Status.REPEATED] * 3


@BOTH
def test_what_is_not_on_disk_is_not_remembered(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    city, collector = two.cities[1], two.many
    messages = [two.nodes[0].seal(two.report(), number) for number in range(4)]
    collector.receive_many(messages[:1])
    full = CityError("the disk is full")
    with monkeypatch.context() as broken:
        broken.setattr("hadeda.registry.bulk.Batch.write", lambda _batch: (_ for _ in ()).throw(full))
        with pytest.raises(CityError):
            collector.receive_many(messages[1:])
    assert count_reports(city.database) == 1
    assert [outcome.status for outcome in collector.receive_many(messages)] == [Status.REPEATED] + [Status.STORED] * 3


def test_keys_are_not_kept_beyond_the_registrys(two: Two) -> None:
    two.take([two.nodes[0].seal(two.report(), number) for number in range(2)])
    assert two.many._express._lanes
    two.clock.forward(hours=2)
    two.take([two.nodes[1].seal(two.report(), 0)])
    with two.cities[1].database.write() as session:
        epoch = session.scalars(select(Epoch).where(Epoch.highest == 1)).one()
        epoch.state, epoch.closed_at = "closed", START + timedelta(hours=2)
        epoch.erase_keys()
        assert session.get_one(Node, epoch.node).name == NAMES[0]
    two.many.receive_many([two.nodes[1].seal(two.report(), 1)])
    assert [lane.node.name for lane in two.many._express._lanes.values()] == [NAMES[1]]


@BOTH
def test_a_ratchet_drops_no_lane_but_its_nodes(two: Two, usual: list[int]) -> None:
    two.take([node.seal(two.report(), number) for number in range(2) for node in two.nodes])
    two.take([two.nodes[0].ratchet().seal(two.report(), 0)])
    assert sorted(lane.node.name for lane in two.many._express._lanes.values()) == sorted(NAMES[1:])
    usual.clear()
    two.many.receive_many([node.seal(two.report(), 2) for node in two.nodes[1:]])
    assert usual == [2]
