"""Epochs as the city follows them: ahead, behind, closed and erased; and keys that are gone are gone from the disk."""

import os
import sqlite3
from copy import copy
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from key_life import Scene
from sealing import CONFIGURATION, dumps, enrolled, example_report, shortest
from sqlalchemy import func, select, update

from hadeda.city import City
from hadeda.collect import Collector, Status
from hadeda.envelope import labels
from hadeda.registry import Chain, Epoch, count_reports, revoke


@pytest.fixture
def scene(city: City) -> Scene:
    return Scene(city)


def test_a_ratchet_is_followed_and_the_past_stays_open(scene: Scene) -> None:
    backlog = scene.node.seal(example_report(), 3)
    scene.stored(scene.node, 2)
    later = scene.node.ratchet()
    scene.stored(later, 0)
    assert scene.epochs() == {1: "past", 2: "current"}
    assert scene.take(backlog).status is Status.STORED
    assert scene.take(backlog).status is Status.REPEATED
    scene.stored(later, 1)


def test_epochs_without_a_message_are_opened_too(scene: Scene) -> None:
    silent = [scene.node.ratchet(times) for times in range(1, 40)]
    scene.stored(scene.node.ratchet(40), 0)
    assert scene.epochs() == {**dict.fromkeys(range(1, 41), "past"), 41: "current"}
    for node in silent:
        scene.stored(node, 0)
    assert scene.epochs()[41] == "current", "what comes late moves nothing"


def test_forty_epochs_ahead_are_known_and_not_one_more(scene: Scene) -> None:
    beyond = scene.node.ratchet(labels.EPOCHS_AHEAD + 1)
    sealed = beyond.seal(example_report(), 0)
    assert scene.refusal(sealed) == "no key for this kid and epoch"
    scene.stored(scene.node.ratchet(), 0)
    assert scene.take(sealed).status is Status.STORED


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.randoms())
def test_any_order_of_epochs_within_the_lookahead_is_taken_once(city: City, steps: list[int], random: object) -> None:
    name = f"node-{len(steps)}-{id(random)}-{count_reports(city.database)}"
    node, collector = enrolled(city, name), Collector(city)
    nodes = [node := node.ratchet(step) for step in steps]
    for one in nodes:
        sealed = one.seal(example_report(), 0)
        assert [collector.receive(sealed).status for _ in range(2)] == [Status.STORED, Status.REPEATED]
    for one in nodes[::-1]:
        assert collector.receive(one.seal(example_report(), 1)).status is Status.STORED
    with city.database.read() as session:
        query = select(func.count()).select_from(Epoch).join(Chain, Chain.id == Epoch.chain)
        mine = query.where(Chain.node_id == node.node_id.hex())
        assert session.scalar(mine.where(Epoch.state == "expected")) == labels.EPOCHS_AHEAD
        assert session.scalar(mine.where(Epoch.state == "current")) == 1


def bent(sealed: bytes, kid: bytes | None = None, epoch: int | None = None) -> bytes:
    protected, headers, ciphertext = cbor2.loads(sealed[1:])
    headers[4] = headers[4] if kid is None else kid
    headers[10] = headers[10] if epoch is None else shortest(epoch)
    return dumps(cbor2.CBORTag(16, [protected, headers, ciphertext]))


def test_the_right_kid_with_a_wrong_epoch_number(scene: Scene) -> None:
    sealed = scene.node.seal(example_report(), 0)
    for epoch in (0, 2, 3, 41, 2**32 - 1):
        assert scene.refusal(bent(sealed, epoch=epoch)) == "no key for this kid and epoch"
    expected = scene.node.ratchet(5).seal(example_report(), 0)
    for epoch in (1, 5, 7):
        assert scene.refusal(bent(expected, epoch=epoch)) == "no key for this kid and epoch"
    assert scene.take(expected).status is Status.STORED


def test_an_expected_kid_does_not_advance_by_itself(scene: Scene) -> None:
    later = scene.node.ratchet(3)
    sealed = later.seal(example_report(), 0)
    assert scene.refusal(sealed[:-1] + bytes([sealed[-1] ^ 1])) == "not sealed by the key its kid names"
    stranger = ec.generate_private_key(ec.SECP256R1())
    assert scene.refusal(later.seal(example_report(), 0, signer=stranger)) == "signature does not verify"
    assert "s is high" in scene.refusal(later.seal(example_report(), 0, high_s=True))
    assert scene.refusal(later.seal(example_report(), 0, recipient=bytes(32))) == "signature does not verify"
    assert scene.refusal(later.seal(b"\x80", 0)) == "payload is not a map"
    assert scene.refusal(bent(scene.node.seal(example_report(), 0), later.keys["kid"], later.epoch))
    assert scene.epochs() == {1: "current"}
    scene.stored(later, 0)


def test_another_nodes_kid(scene: Scene) -> None:
    other = enrolled(scene.city, "other")
    for theirs in (other, other.ratchet(2)):
        sealed = bent(scene.node.seal(example_report(), 0), theirs.keys["kid"], theirs.epoch)
        assert scene.refusal(sealed) == "not sealed by the key its kid names"


def test_two_nodes_that_share_a_kid_in_their_next_epochs_are_told_apart(scene: Scene) -> None:
    nodes = {"corner": scene.node.ratchet(), "other": enrolled(scene.city, "other").ratchet()}
    with scene.city.database.write() as session:
        kids = [node.keys["kid"] for node in nodes.values()]
        session.execute(update(Epoch).where(Epoch.kid.in_(kids)).values(kid=b"same"))
    for name, node in nodes.items():
        node.keys["kid"] = b"same"
        assert (scene.stored(node, 0).node, scene.stored(node, 1).node) == (name, name)


def test_a_sequence_number_beyond_the_last_of_an_epoch(scene: Scene) -> None:
    scene.stored(scene.node, labels.EPOCH_MESSAGES_MAX - 1)
    for sequence in (labels.EPOCH_MESSAGES_MAX, 2**40 - 1):
        assert scene.refusal(scene.node.seal(example_report(), sequence)) == "sequence number beyond an epoch's last"


def test_a_key_under_which_too_much_fails_is_tried_no_more(scene: Scene) -> None:
    scene.collector = Collector(scene.city, clock=scene.clock, failures_max=3)
    sealed = scene.node.seal(example_report(), 0)
    for index in range(3):
        broken = sealed[:-1] + bytes([sealed[-1] ^ 1 << index])
        assert scene.refusal(broken) == "not sealed by the key its kid names"
    assert scene.refusal(sealed) == "too many messages under this key did not open"
    scene.collector = Collector(scene.city, clock=scene.clock, failures_max=3)
    assert scene.refusal(sealed) == "too many messages under this key did not open", "it is remembered"
    scene.stored(scene.node.ratchet(), 0)


def test_a_million_broken_messages_do_not_silence_a_node(scene: Scene) -> None:
    with scene.city.database.write() as session:
        session.execute(update(Epoch).values(failures=1 << 20))
    scene.stored(scene.node, 0)
    with scene.city.database.write() as session:
        session.execute(update(Epoch).values(failures=1 << 36))
    assert scene.refusal(scene.node.seal(example_report(), 1)) == "too many messages under this key did not open"


def test_what_opens_but_is_refused_is_no_failure_of_the_key(scene: Scene) -> None:
    sealed = scene.node.seal(example_report(), 0)
    scene.take(sealed)
    for _ in range(3):
        scene.take(sealed)
    scene.take(scene.node.seal(example_report(), 1, high_s=True))
    with scene.city.database.read() as session:
        assert session.scalar(select(func.sum(Epoch.failures))) == 0


def test_a_backlog_of_three_weeks_is_taken_and_one_beyond_the_horizon_is_not(scene: Scene) -> None:
    old = [scene.node.ratchet(times) for times in range(22)]
    for node in old:
        scene.stored(node, 0)
        scene.clock.forward(days=1)
    for node in old[:-1]:
        scene.stored(node, 1)
    scene.clock.forward(days=14)
    scene.stored(old[-1], 1)  # a message is what it takes
    states = scene.epochs()
    assert (states[1], states[2]) == ("erased", "past")
    assert scene.refusal(old[0].seal(example_report(), 2)) == "keys of this epoch are erased"
    scene.stored(old[1], 2)
    for sequence in (2, 3):
        scene.clock.forward(days=20)
        scene.stored(old[-1], sequence)
    scene.collector = Collector(scene.city, clock=scene.clock)
    assert set(scene.epochs().values()) == {"erased", "current"}, "a collector that starts erases first"
    scene.stored(old[-1].ratchet(), 0)


def test_a_clock_that_jumps_ahead_erases_nothing(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.stored(scene.node, 0)
    scene.stored(scene.node.ratchet(), 0)
    right = scene.clock.now
    scene.clock.forward(days=4000)  # a machine that booted without its battery
    scene.collector = Collector(scene.city, clock=scene.clock)
    assert "is the clock right?" in caplog.text
    scene.clock.now = right
    scene.collector = Collector(scene.city, clock=scene.clock)
    scene.stored(scene.node, 1)


def test_a_clock_that_was_ahead_and_is_set_back_does_not_keep_keys_for_ever(scene: Scene) -> None:
    right = scene.clock.now
    scene.clock.forward(days=4000)
    scene.stored(scene.node, 0)
    scene.stored(scene.node.ratchet(), 0)
    scene.clock.now = right
    for sequence in range(1, 5):
        scene.clock.forward(days=12)
        scene.stored(scene.node.ratchet(), sequence)
    assert scene.epochs() == {1: "erased", 2: "current"}


def test_a_city_that_was_silent_for_long_erases_once_a_report_has_come(scene: Scene) -> None:
    scene.stored(scene.node, 0)
    scene.stored(scene.node.ratchet(), 0)
    scene.clock.forward(days=60)
    scene.stored(scene.node.ratchet(), 1)
    assert scene.epochs() == {1: "past", 2: "current"}
    scene.clock.forward(hours=2)
    scene.stored(scene.node.ratchet(), 2)
    assert scene.epochs() == {1: "erased", 2: "current"}


def on_disk(city: City) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(city.directory.glob("city.db*")))


def test_an_advance_leaves_no_earlier_root_key_on_the_disk(scene: Scene) -> None:
    crowd = [enrolled(scene.city, f"node-{index}") for index in range(30)]
    assert all(node.root in on_disk(scene.city) for node in crowd), "the test can find them"
    later = crowd
    for _ in range(4):
        later = [node.ratchet(2) for node in later]
        for node in later:
            scene.stored(node, 0)
            assert node.root in on_disk(scene.city)
    disk = on_disk(scene.city)
    for first in crowd:
        for times in range(8):
            assert first.ratchet(times).root not in disk, times
    assert all(node.root in disk for node in later)


def test_keys_beyond_the_horizon_are_nowhere_on_the_disk(scene: Scene) -> None:
    nodes = [enrolled(scene.city, f"node-{index}") for index in range(30)]
    old = list(nodes)
    for day in range(1, 5):
        later = [node.ratchet(day) for node in nodes]
        for node in later:
            scene.stored(node, 0)
        old += later
        scene.clock.forward(days=1)
    assert all(node.keys["key"] in on_disk(scene.city) for node in old)
    scene.clock.forward(days=30)
    for node in nodes:
        scene.stored(node.ratchet(5), 0)
    for sequence in (1, 2):
        scene.clock.forward(days=30)
        scene.stored(nodes[0].ratchet(5), sequence)
    scene.collector = Collector(scene.city, clock=scene.clock)
    scene.stored(nodes[0].ratchet(5), 3)
    disk = on_disk(scene.city)
    for node in old:
        for name in ("key", "down_key", "iv", "down_iv"):
            assert node.keys[name] not in disk, (node.epoch, name)


def test_a_reader_that_holds_on_delays_the_erasing_and_does_not_stop_the_collector(scene: Scene) -> None:
    scene.stored(scene.node, 0)
    reader = sqlite3.connect(scene.city.directory / "city.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM epoch").fetchall()
    try:
        scene.stored(scene.node.ratchet(), 0)
        assert scene.node.root in on_disk(scene.city)
    finally:
        reader.close()
    scene.stored(scene.node.ratchet(), 1)
    assert scene.node.root not in on_disk(scene.city)


def test_a_revoked_node_is_refused_in_every_epoch(scene: Scene) -> None:
    scene.stored(scene.node.ratchet(), 0)
    current = scene.node.ratchet()
    revoke(scene.city.database, "corner")
    for node in (scene.node, current):
        assert scene.refusal(node.seal(example_report(), 5)) == "node is revoked"
    assert scene.refusal(current.ratchet().seal(example_report(), 5)) == "no key for this kid and epoch"


def test_the_keys_of_a_revoked_node_die(scene: Scene) -> None:
    scene.stored(scene.node.ratchet(), 0)
    current, other = scene.node.ratchet(), enrolled(scene.city, "other")
    ready = current.rekey()
    scene.take(ready)
    assert current.pending is not None
    revoke(scene.city.database, "corner", scene.clock())
    disk = on_disk(scene.city)
    assert current.root not in disk
    assert current.pending.root not in disk
    assert current.keys["key"] in disk
    for sequence in range(3):
        scene.clock.forward(days=18)
        scene.stored(other, sequence)
    disk = on_disk(scene.city)
    assert current.keys["key"] not in disk
    assert current.pending.keys["key"] not in disk
    assert scene.refusal(ready) == "node is revoked"


def test_what_was_opened_is_not_booked_to_an_epoch_that_took_its_place(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two, the node is enrolled anew: its expected epochs go, and new ones come."""
    opened = scene.collector._open
    scene.stored(scene.node, 0)
    fresh = copy(scene.node)

    def meanwhile(message: object) -> object:
        monkeypatch.undo()
        result = opened(message)  # type: ignore[arg-type]
        nonce = os.urandom(16)
        message_ = fresh.enrol(scene.city.collector_public, nonce)
        scene.city.enrol(message_, nonce, name="corner", configuration=CONFIGURATION)
        return result

    monkeypatch.setattr(scene.collector, "_open", meanwhile)
    assert scene.report(scene.node.ratchet(), 7).reason == "epoch is closed"
    scene.stored(fresh, 7)


def test_a_power_cut_in_an_advance_leaves_the_old_state(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def power_cut(*_arguments: object) -> None:
        raise KeyboardInterrupt

    before = scene.rows()
    monkeypatch.setattr("hadeda.collect.collector.add_report", power_cut)
    with pytest.raises(KeyboardInterrupt):
        scene.report(scene.node.ratchet(), 0)
    monkeypatch.undo()
    assert scene.rows() == before
    scene.stored(scene.node.ratchet(), 0)


def test_two_collectors_on_one_database_follow_the_same_ratchets(scene: Scene, tmp_path: Path) -> None:
    with City.open(scene.city.directory) as again:
        second = Collector(again, clock=scene.clock)
        node = scene.node
        for turn in range(6):
            node = node.ratchet()
            first, other = (scene.collector, second) if turn % 2 else (second, scene.collector)
            sealed = node.seal(example_report(), 0)
            assert first.receive(sealed).status is Status.STORED
            assert other.receive(sealed).status is Status.REPEATED
            assert other.receive(node.seal(example_report(), 1)).status is Status.STORED
    assert scene.epochs() == {**dict.fromkeys(range(1, 7), "past"), 7: "current"}
    assert tmp_path.exists()


def test_an_epoch_that_another_collector_opened_in_between(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between looking a message up and storing it, the other collector advances and re-keys."""
    opened = scene.collector._open
    node = scene.node

    def meanwhile(message: object) -> object:
        monkeypatch.undo()
        result = opened(message)  # type: ignore[arg-type]
        scene.stored(node.ratchet(2), 0)
        return result

    monkeypatch.setattr(scene.collector, "_open", meanwhile)
    scene.stored(node.ratchet(1), 0)
    assert scene.epochs() == {1: "past", 2: "past", 3: "current"}
