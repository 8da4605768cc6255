"""A week at the broker's side of the connection: nothing in the bytes of a node tells that it was there yesterday."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cbor2
import pytest
from eavesdropper import (
    CONNECT,
    PUBLISH,
    SUBSCRIBE,
    Packet,
    Session,
    Tap,
    constants,
    epochs,
    is_ready,
    numbered,
    packets,
    padded_size,
    published,
)
from lamp_post import HOUR_S, NAME, NIGHT, SEED, LampPost, PluggedIn, Template

from hadeda.city import City
from hadeda.collect.collector import Status
from hadeda.envelope import labels
from hadeda.provision import steps

pytestmark = pytest.mark.xdist_group("week")  # with --dist loadgroup it passes only once

OTHER = "market"
DAYS = 7
DAY_S = 24 * HOUR_S
WINDOW_S = DAY_S // 3
ROTATED, COMMANDED = 2, 4  # after so many days
LIMIT_S = 250.0
CLIENT_ID, SERIAL = b"c0de", b"\xc0\xde\x20\x26"  # what a node could give itself away with

Week = dict[str, list[Session]]


def second_node(template: Template, folder: Path) -> Template:
    """A board like the first one's, provisioned for the same city."""
    flash = Path(shutil.copyfile(template.unenrolled, folder / "flash.bin"))
    shutil.copytree(template.city, folder / "city")
    with City.open(folder / "city") as city, PluggedIn(template.board, flash, seed=SEED + 1) as plugged:
        steps.provision(plugged.port, template.board, city, name=OTHER, now=plugged.now)
    return replace(template, city=folder / "city", flash=flash)


def rarely_sampled(port: int) -> Callable[[dict[str, object]], None]:
    """One chip, once an hour: a week passes while you wait. The broker's `port` is the tap's."""

    def change(config: dict[str, object]) -> None:
        config["sensors"] = [{**entry, "period_s": HOUR_S} for entry in config["sensors"] if entry["part"] == "bme280"]
        config["buses"] = {"i2c0": config["buses"]["i2c0"]}  # a UART's part would be heard, read or not
        config["broker"]["port"] = port

    return change


@pytest.fixture(scope="module")
def week(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    """Everything that went between two nodes and the broker in a week with a re-key and a command for each."""
    folder = tmp_path_factory.mktemp("week")
    for name in ("provisioned", NAME, OTHER):
        (folder / name).mkdir()
    other = second_node(template, folder / "provisioned")
    first = replace(template, city=other.city)
    with City.open(other.city) as city:
        port = city.settings.broker.port
    settings = {"window_s": WINDOW_S, "tls": False, "start": NIGHT}
    with (
        LampPost(first, folder / NAME, changed_config=rarely_sampled(port), **settings) as corner,
        LampPost(
            other,
            folder / OTHER,
            seed=SEED + 1,
            name=OTHER,
            neighbour=corner,
            changed_config=rarely_sampled(port + 1),
            **settings,
        ) as market,
    ):
        broker = corner.broker(port=port + 2, tls=False)
        broker.start()
        corner.collect_plain(broker.port)
        with Tap(port, broker.port) as corners, Tap(port + 1, broker.port) as markets:
            live_through([corner, market])
        yield {NAME: corners.sessions, OTHER: markets.sessions}


def live_through(posts: list[LampPost]) -> None:
    """The week, and that it was as eventful as it was meant to be."""
    numbers = {}
    for post in posts:
        post.power_on()
    for day in range(DAYS):
        if day == ROTATED:
            arguments = ({labels.ROTATE_IDENTITY: 1}, {})
            numbers[day] = [
                post.command(labels.OPERATION_ROTATE, each) for post, each in zip(posts, arguments, strict=True)
            ]
        if day == COMMANDED:
            numbers[day] = [post.command(labels.OPERATION_REPORT_NOW) for post in posts]
        for post in posts:  # in turn: see LampPost
            post.run_until(NIGHT + (day + 1) * DAY_S, LIMIT_S)
    for number, post in enumerate(posts):
        for day, queued in numbers.items():
            result = post.results()[queued[number]]
            assert result == labels.RESULT_DONE, post.explain(f"day {day}'s command ended in {result}")
        assert post.standing.epoch > labels.REKEY_JUMP, post.explain("the node has not rotated")
        assert post.emulated.resets == [1], post.explain("reset")
    corner = posts[0]
    assert corner.count(Status.REJECTED) == 0, corner.explain("refused")
    assert corner.count(Status.STORED) >= 2 * DAYS * 3


def test_the_week_has_an_epoch_a_day_and_everything_is_on_the_wire(week: Week) -> None:
    for name, sessions in week.items():
        said = published(sessions)
        assert len(numbered(epochs(sessions))) > DAYS, name
        assert {packet.topic for packet in said} == {"hadeda/up"}
        assert any(is_ready(packet.payload) for packet in said)
        assert published(sessions, down=True), "the tap saw no letter"
        kinds = {packet.kind for session in sessions for packet in packets(bytes(session.up))}
        assert kinds >= {CONNECT, SUBSCRIBE, PUBLISH}


def test_no_string_of_four_bytes_outlives_an_epoch(week: Week) -> None:
    telling = constants({name: epochs(sessions) for name, sessions in week.items()})
    assert telling == {name: set() for name in week}


def test_the_broker_sees_few_lengths_and_all_of_them_are_padded(week: Week) -> None:
    for sessions in week.values():
        said, told = published(sessions), published(sessions, down=True)
        assert {padded_size(packet.payload) for packet in said if not is_ready(packet.payload)} == {labels.PAYLOAD_MIN}
        assert {padded_size(packet.payload) for packet in told} == {labels.PAYLOAD_MIN}
    readies = {name: {padded_size(p.payload) for p in published(week[name]) if is_ready(p.payload)} for name in week}
    assert readies == {NAME: {320}, OTHER: {192}}  # the one has a new identity in it: docs/keys.md says that this shows


def test_a_ready_message_is_repeated_only_until_the_city_has_answered(week: Week) -> None:
    for sessions in week.values():
        announced = [{p.payload for p in published([session]) if is_ready(p.payload)} for session in sessions]
        with_ready = [number for number, found in enumerate(announced) if found]
        first, last = with_ready[0], with_ready[-1]
        assert with_ready == list(range(first, last + 1)), f"it was sent again after a pause:\n{in_short(sessions)}"
        assert len(set().union(*announced)) == 1
        (listened,) = (p.topics for p in packets(bytes(sessions[last].up)) if p.kind == SUBSCRIBE)
        answers = {number for number, s in enumerate(sessions) if listened[1] in topics_of_letters(s)}
        assert min(answers) == last, "the node went on announcing what the city had answered, or stopped before"


def in_short(sessions: list[Session]) -> str:
    """The packets of every session, up and down, by the numbers of their kinds; a ready message is an R."""

    def kinds(stream: bytearray) -> str:
        return " ".join(
            "R" if packet.kind == PUBLISH and packet.payload and is_ready(packet.payload) else str(packet.kind)
            for packet in packets(bytes(stream))
        )

    return "\n".join(f"{number}: {kinds(s.up)} | {kinds(s.down)}" for number, s in enumerate(sessions))


def topics_of_letters(session: Session) -> set[str]:
    """The mailboxes in which it found something."""
    return {packet.topic for packet in published([session], down=True)}


def bent(sessions: list[Session], change: Callable[[Packet], bytes]) -> list[Session]:
    """The same sessions, with `change` made to each packet that the node sent."""
    return [
        Session(bytearray().join(change(packet) for packet in packets(bytes(session.up))), session.down)
        for session in sessions
    ]


def packet_of(first: int, body: bytes) -> bytes:
    """An MQTT packet with a length of two bytes."""
    return bytes((first, len(body) & 127 | 128, len(body) >> 7)) + body


def with_client_id(packet: Packet) -> bytes:
    """A CONNECT that names the client, as most clients do; everything else as it was."""
    if packet.kind != CONNECT:
        return packet.raw
    return packet_of(packet.raw[0], packet.body[:10] + b"\x00\x04" + CLIENT_ID + packet.body[12:])


def with_serial(packet: Packet) -> bytes:
    """A report with a header more, that nobody authenticates."""
    if packet.kind != PUBLISH or is_ready(packet.payload):
        return packet.raw
    protected, unprotected, ciphertext = cbor2.loads(packet.payload).value
    message = cbor2.CBORTag(labels.TAG_ENCRYPT0, [protected, {**unprotected, 99: SERIAL}, ciphertext])
    head = packet.body[: len(packet.body) - len(packet.payload)]
    return packet_of(packet.raw[0], head + cbor2.dumps(message))


@pytest.mark.parametrize(("change", "planted"), [(with_client_id, CLIENT_ID), (with_serial, SERIAL)])
def test_the_eavesdropper_would_notice(week: Week, change: Callable[[Packet], bytes], planted: bytes) -> None:
    heard = {NAME: epochs(bent(week[NAME], change)), OTHER: epochs(week[OTHER])}
    assert any(planted in string for string in constants(heard)[NAME])


def test_what_all_nodes_have_in_common_is_not_what_tells_one(week: Week) -> None:
    both = {name: epochs(bent(sessions, with_client_id)) for name, sessions in week.items()}
    assert constants(both) == {name: set() for name in week}
