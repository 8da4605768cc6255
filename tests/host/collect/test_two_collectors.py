"""Two collectors of one city, over one database: no report and no number twice, no receipt that takes another back."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from key_life import Clock
from mqtt_helpers import mosquitto, publish, wait_until
from sealing import SealingNode, enrolled, example_report, letter_number
from sqlalchemy import select
from typer.testing import CliRunner

from hadeda.bench.servers import Server, postgresql
from hadeda.city import City
from hadeda.cli.main import app
from hadeda.collect import Collector, MqttCollector, Outcome, Status
from hadeda.collect import mqtt as mqtt_module
from hadeda.collect.broker import free_port
from hadeda.collect.letters import RECEIPT_EVERY
from hadeda.envelope import labels
from hadeda.errors import CityError
from hadeda.registry import Command, count_reports, revoke
from hadeda.registry.commands import queue
from hadeda.registry.nodes import find_node, select_node

BOTH = pytest.mark.parametrize("city", ["sqlite", "postgresql"], indirect=True)
CLOCK = Clock()


@pytest.fixture
def cities(city: City) -> Iterator[tuple[City, City]]:
    """The same city, opened twice, as two processes would."""
    with City.open(city.directory) as other:
        yield city, other


def sealed(node: SealingNode, sequence: int) -> bytes:
    """Its report with this number, made a quarter of an hour before it arrives."""
    return node.seal(example_report(r1=int(CLOCK().timestamp()) - 900), sequence)


def at_once(*work: Callable[[], None]) -> None:
    """All of it side by side; fails with what went wrong in any of them."""
    failures: list[BaseException] = []

    def run(one: Callable[[], None]) -> None:
        try:
            one()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


@BOTH
def test_what_both_are_given_at_once_is_stored_once(cities: tuple[City, City]) -> None:
    nodes = [enrolled(cities[0], name) for name in ("corner", "bridge", "market")]
    rounds = [[sealed(node, number) for node in nodes] for number in range(12)]
    rounds[7] += [sealed(nodes[1].ratchet(), 0)]  # one of them goes the long way, alone
    collectors = [Collector(city, clock=CLOCK) for city in cities]
    outcomes: list[list[Outcome]] = [[], []]

    def take(which: int) -> None:
        for messages in rounds:
            outcomes[which] += collectors[which].receive_many(messages if which else messages[::-1])

    at_once(lambda: take(0), lambda: take(1))
    statuses = [outcome.status for taken in outcomes for outcome in taken]
    assert statuses.count(Status.STORED) == count_reports(cities[0].database) == 37
    assert statuses.count(Status.REPEATED) == 37
    assert find_node(cities[0].database, "corner").through == 12


@BOTH
def test_a_replay_is_known_whoever_took_the_first_and_receipts_only_rise(cities: tuple[City, City]) -> None:
    node = enrolled(cities[0])
    both = [Collector(city, clock=CLOCK) for city in cities]
    messages = [sealed(node, number) for number in range(24)]
    letters: list[bytes] = []
    for number, message in enumerate(messages):
        first, second = both if number % 3 else reversed(both)
        (outcome,) = first.receive_many([message])
        (again,) = second.receive_many([message])
        assert (outcome.status, again.status) == (Status.STORED, Status.REPEATED)
        letters += [letter for _topic, letter in outcome.letters + again.letters]
    assert [one.counts[Status.STORED] for one in both] == [16, 8]
    numbers = [letter_number(letter) for letter in letters]
    assert numbers == sorted(set(numbers)), "a number was used twice"
    opened = [node.open_letter(letter) for letter in letters]
    receipts = [letter[labels.LETTER_THROUGH] for letter in opened if letter]
    assert receipts == sorted(receipts)
    assert receipts[-1] > 24 - RECEIPT_EVERY


@BOTH
def test_no_command_number_comes_twice(cities: tuple[City, City]) -> None:
    enrolled(cities[0])

    def give(city: City) -> None:
        def command_key(thumb: bytes) -> ec.EllipticCurvePrivateKey:
            return city.keyring.private(labels.ROLE_COMMAND, thumb)

        for _ in range(10):
            with city.database.write() as session:
                queue(session, select_node(session, "corner"), labels.OPERATION_LOCATE, {}, command_key, now=CLOCK())

    at_once(lambda: give(cities[0]), lambda: give(cities[1]))
    with cities[0].database.read() as session:
        numbers = list(session.scalars(select(Command.number)))
        waiting = list(session.scalars(select(Command.number).where(Command.state == "waiting")))
    assert len(set(numbers)) == 20
    assert waiting == [max(numbers)]


@pytest.mark.parametrize("city", ["postgresql"], indirect=True)
def test_what_one_learns_alone_the_other_does_not_go_by_memory(cities: tuple[City, City]) -> None:
    node = enrolled(cities[0])
    one, other = (Collector(city, clock=CLOCK) for city in cities)
    for number in range(0, 6, 2):
        one.receive_many([sealed(node, number)])
        other.receive_many([sealed(node, number + 1)])
    assert one._express._lanes, "it remembers nothing: this test sees nothing"
    renewed = node.ratchet()
    assert other.receive_many([sealed(renewed, 0)])[0].status is Status.STORED
    both = one.receive_many([sealed(node, 6), sealed(renewed, 1)])  # of an epoch that is over, and of the new one
    assert [outcome.status for outcome in both] == [Status.STORED, Status.STORED]
    revoke(cities[1].database, "corner", now=CLOCK())
    assert one.receive_many([sealed(renewed, 2)])[0].reason == "node is revoked"


@pytest.fixture
def mortal() -> Iterator[Server]:
    """A PostgreSQL that a test may stop."""
    with postgresql() as server:
        yield server


def test_sharing_a_subscription_nothing_is_lost_while_either_or_the_database_is_away(
    tmp_path: Path, mortal: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_module, "RETRY_FIRST_S", 0.1)
    with ExitStack() as opened:
        url = mortal.url("postgres")
        city = opened.enter_context(City.init(tmp_path / "city", "Testville", broker_port=free_port(), database=url))
        other = opened.enter_context(City.open(city.directory))
        nodes = [enrolled(city, f"node {number}") for number in range(4)]
        both = [Collector(one, clock=CLOCK) for one in (city, other)]
        stored = lambda: sum(one.counts[Status.STORED] for one in both)  # noqa: E731
        opened.enter_context(mosquitto(city, tmp_path / "mosquitto"))
        opened.enter_context(MqttCollector(city, both[0], share="hill"))
        with MqttCollector(other, both[1], share="lake"):
            publish(city, *(sealed(node, number) for number in range(3) for node in nodes))
            wait_until(lambda: stored() == 12, "both to store")
            assert all(one.counts[Status.STORED] for one in both), "only one has got any"
        publish(city, *(sealed(node, number) for number in range(3, 6) for node in nodes))
        mortal.stop()
        publish(city, *(sealed(node, number) for number in range(6, 9) for node in nodes))
        mortal.start()
        wait_until(lambda: both[0].counts[Status.STORED] == 18, "the half of the one that is there")
        with MqttCollector(other, both[1], share="lake"):
            wait_until(lambda: stored() >= 36, "what had waited")
        assert count_reports(city.database) == 36


def test_the_embedded_broker_is_not_shared(city: City) -> None:
    arguments = ["collect", "--share", "hill", "--embedded-broker", "--city", str(city.directory)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "run Mosquitto" in done.stderr


def test_a_second_city_is_not_put_into_a_database(tmp_path: Path, new_database: Callable[..., str]) -> None:
    url = new_database()
    with City.init(tmp_path / "one", "One", database=url), pytest.raises(CityError, match="there is a city in"):
        City.init(tmp_path / "two", "Two", database=url)
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("postgresql://hadeda:secret@/city", "has a password"),
        ("postgresql:///city?password=secret", "has a password"),
        ("mysql://hadeda@/city", "does not begin with postgresql://"),
        ("postgresql://hadeda@/city?host=/nowhere", "cannot be used"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_clear_line_without_the_password(
    tmp_path: Path, url: str, what: str
) -> None:
    with pytest.raises(CityError, match=what) as error:
        City.init(tmp_path / "city", "Testville", database=url)
    assert "secret" not in str(error.value)
