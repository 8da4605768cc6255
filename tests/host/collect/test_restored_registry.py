"""A registry restored from a backup has forgotten what it accepted since: nothing is taken until the node echoes."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from key_life import Clock, Scene
from sealing import SealingNode, example_report, letter_number
from sqlalchemy import update
from test_rekeys import prepare

from hadeda.city import City
from hadeda.collect import Collector, Status
from hadeda.collect.collector import CLOSED
from hadeda.envelope import labels
from hadeda.registry import Epoch, count_reports, hold_all, refused, revoke

HELD = "held since the registry was restored"


@pytest.fixture
def scene(city: City) -> Scene:
    return Scene(city)


def back_up(scene: Scene, target: Path) -> None:
    """As an operator does with a running city: SQLite's online backup into a file."""
    with sqlite3.connect(scene.city.database.path) as source, sqlite3.connect(target) as copy:
        source.backup(copy)
    source.close()
    copy.close()


def restore(scene: Scene, backup: Path) -> None:
    """Put the backup file in the place of the database, and hold every node."""
    scene.city.database.close()
    for leftover in scene.city.directory.glob("city.db*"):
        leftover.unlink()
    shutil.copy(backup, scene.city.database.path)
    assert hold_all(scene.city.database) == 1
    scene.collector = Collector(scene.city, clock=scene.clock)


def challenge(scene: Scene, node: SealingNode) -> bytes:
    letter = scene.letter(node)
    assert letter is not None
    assert len(letter[3]) == labels.CHALLENGE_SIZE
    return bytes(letter[3])


def held(scene: Scene, payload: bytes) -> None:
    outcome = scene.take(payload)
    assert (outcome.status, outcome.reason) == (Status.REJECTED, HELD)


def test_replays_are_refused_until_the_node_has_echoed_and_afterwards_too(scene: Scene, tmp_path: Path) -> None:
    scene.stored(scene.node, 0)
    back_up(scene, tmp_path / "backup")
    recorded = [scene.node.seal(example_report(), sequence) for sequence in range(1, 6)]
    for sealed in recorded:
        assert scene.take(sealed).status is Status.STORED
    scene.topics.clear()
    restore(scene, tmp_path / "backup")
    for sealed in recorded:
        held(scene, sealed)
    assert count_reports(scene.city.database) == 1
    word = challenge(scene, scene.node)
    for forged in (bytes(8), word[:-1] + bytes([word[-1] ^ 1]), word[::-1]):
        held(scene, scene.node.seal(example_report(r9=forged), 6))
    assert scene.registered().held == word
    scene.stored(scene.node, 6, r9=word)
    assert scene.registered().held is None
    assert scene.letter(scene.node) == {1: 7, 4: 7}, "a receipt, no challenge"
    for sealed in recorded:
        assert scene.take(sealed).reason == CLOSED
    scene.stored(scene.node, 7)
    assert count_reports(scene.city.database) == 3
    assert HELD in {row.reason for row in refused(scene.city.database)}


@pytest.mark.parametrize("echo", [b"", bytes(7), bytes(9), 0, None])
def test_an_echo_of_another_form_is_refused(scene: Scene, echo: object) -> None:
    hold_all(scene.city.database)
    scene.refusal(scene.node.seal(example_report(r9=echo), 0))


def test_an_echo_that_nobody_asked_for_does_no_harm(scene: Scene) -> None:
    scene.stored(scene.node, 0, r9=bytes(8))


def test_the_echo_closes_the_epochs_before_and_leaves_those_after(scene: Scene, tmp_path: Path) -> None:
    scene.stored(scene.node, 0)
    scene.stored(scene.node.ratchet(), 0)
    back_up(scene, tmp_path / "backup")
    later = scene.node.ratchet(3)
    recorded = [later.seal(example_report(), sequence) for sequence in range(3)]
    for sealed in recorded:
        scene.take(sealed)
    restore(scene, tmp_path / "backup")
    for sealed in (*recorded, scene.node.seal(example_report(), 1)):
        held(scene, sealed)
    assert scene.epochs() == {1: "past", 2: "past", 3: "past", 4: "current"}, "following a ratchet needs no freshness"
    word = challenge(scene, later)
    scene.stored(later, 3, r9=word)
    assert scene.epochs() == {1: "closed", 2: "closed", 3: "closed", 4: "current"}
    assert scene.refusal(scene.node.seal(example_report(), 7)) == "epoch is closed"
    for sealed in recorded:
        scene.refusal(sealed)
    scene.stored(later.ratchet(), 0)


def test_an_echo_that_was_overtaken_by_the_next_epoch(scene: Scene) -> None:
    hold_all(scene.city.database)
    held(scene, scene.node.seal(example_report(), 0))
    word = challenge(scene, scene.node)
    echo = scene.node.seal(example_report(r9=word), 1)
    held(scene, scene.node.ratchet().seal(example_report(), 0))
    assert scene.take(echo).status is Status.STORED
    assert scene.epochs() == {1: "past", 2: "current"}
    scene.stored(scene.node.ratchet(), 1)


def test_an_echo_cannot_be_replayed(scene: Scene) -> None:
    hold_all(scene.city.database)
    held(scene, scene.node.seal(example_report(), 0))
    echo = scene.node.seal(example_report(r9=challenge(scene, scene.node)), 1)
    assert scene.take(echo).status is Status.STORED
    assert scene.take(echo).status is Status.REPEATED
    hold_all(scene.city.database)
    held(scene, echo)
    assert scene.registered().held is not None


def test_letter_and_command_numbers_are_not_reused_after_a_restore(scene: Scene, tmp_path: Path) -> None:
    first = scene.command(labels.OPERATION_REBOOT)
    scene.stored(scene.node, 0, r2=86_400)
    back_up(scene, tmp_path / "backup")
    used = set()
    following = scene.node.ratchet()
    for sequence in range(1, 20):
        scene.clock.forward(seconds=1)
        scene.stored(scene.node, sequence, r2=86_400)
        used |= {letter_number(scene.sealed_letter(node) or b"") for node in (scene.node, following)}
    second = scene.command(labels.OPERATION_LOCATE)
    scene.clock.forward(seconds=10)
    restore(scene, tmp_path / "backup")
    held(scene, scene.node.seal(example_report(r2=86_400), 20))
    again = {letter_number(scene.sealed_letter(node) or b"") for node in (scene.node, following)}
    assert min(again) > max(used)
    third = scene.command(labels.OPERATION_REBOOT)
    assert first.number < second.number < third.number


def test_numbers_do_not_come_twice_when_more_than_ten_a_second_were_used(scene: Scene, tmp_path: Path) -> None:
    """And not either when one backup is restored twice."""
    scene.stored(scene.node, 0)
    back_up(scene, tmp_path / "backup")
    letters: dict[int, bytes] = {}
    commands = []
    for _ in range(3):
        commands += [scene.command(labels.OPERATION_REBOOT).number for _ in range(60)]
        for _ in range(60):
            for _topic, payload in scene.collector.letters():
                assert letters.setdefault(letter_number(payload), payload) == payload
        restore(scene, tmp_path / "backup")
        scene.clock.forward(seconds=1)
    assert len(set(commands)) == len(commands) == 180
    assert len(letters) == 180
    assert max(*letters, *commands) < 1 << 40


def test_a_hundred_restores_leave_numbers_to_go_on_with(scene: Scene) -> None:
    for _ in range(100):
        hold_all(scene.city.database, scene.clock())
    assert scene.command(labels.OPERATION_REBOOT).number < 1 << 40
    assert len(scene.collector.letters()) == 1


@pytest.mark.parametrize("new_identity", [False, True])
def test_a_node_that_re_keyed_after_the_backup_is_found_by_the_ready_of_its_chain(
    scene: Scene, tmp_path: Path, new_identity: bool
) -> None:
    """However far it has ratcheted since, and whoever brings the message; an identity it replaced signed it."""
    scene.stored(scene.node, 0)
    back_up(scene, tmp_path / "backup")
    renewed = prepare(scene, scene.node, new_identity=new_identity)
    scene.stored(renewed, 0)
    recorded = [renewed.seal(example_report(), 1), renewed.ratchet(2).seal(example_report(), 0)]
    for sealed in recorded:
        assert scene.take(sealed).status is Status.STORED
    restore(scene, tmp_path / "backup")
    later = renewed.ratchet(2)
    assert scene.report(later, 1).reason == "no key for this kid and epoch"
    later = later.ratchet()
    assert scene.take(later.ready).status is Status.READY
    held(scene, later.seal(example_report(), 0))
    scene.stored(later, 1, r9=challenge(scene, later))
    for sealed in recorded:
        assert scene.take(sealed).status is not Status.STORED
    assert (scene.registered().node_id, scene.registered().held) == (renewed.node_id.hex(), None)


def test_a_node_that_re_keyed_after_the_backup_is_found_by_its_next_re_key(scene: Scene, tmp_path: Path) -> None:
    """It begins one by itself after REKEY_EVERY ratchets, and knows nothing of a restore."""
    back_up(scene, tmp_path / "backup")
    renewed = prepare(scene, scene.node)
    scene.stored(renewed, 0)
    restore(scene, tmp_path / "backup")
    later = renewed.ratchet(labels.REKEY_EVERY)
    assert scene.report(later, 0).reason == "no key for this kid and epoch"
    found = prepare(scene, later)
    word = challenge(scene, found)  # the letter under the new keys brings it
    held(scene, found.seal(example_report(), 0))
    scene.stored(found, 1, r9=word)


def test_a_node_with_a_new_identity_that_re_keyed_once_more_needs_a_cable(scene: Scene, tmp_path: Path) -> None:
    back_up(scene, tmp_path / "backup")
    second = prepare(scene, scene.node, new_identity=True)
    scene.stored(second, 0)
    third = prepare(scene, second)
    scene.stored(third, 0)
    restore(scene, tmp_path / "backup")
    assert scene.refusal(third.ready) == "ready of a node that is not known"


def test_a_revoked_node_stays_revoked_when_a_backup_forgets_it(scene: Scene, tmp_path: Path) -> None:
    scene.stored(scene.node, 0)
    ready = scene.node.rekey()
    back_up(scene, tmp_path / "backup")
    revoke(scene.city.database, "corner")
    scene.city.database.close()
    for leftover in scene.city.directory.glob("city.db*"):
        leftover.unlink()
    shutil.copy(tmp_path / "backup", scene.city.database.path)
    assert hold_all(scene.city.database) == 0, "it is not in service"
    scene.collector = Collector(scene.city, clock=scene.clock)
    outcome = scene.report(scene.node, 1)
    assert (outcome.reason, outcome.letters) == ("node is revoked", ()), "no challenge to echo"
    assert scene.refusal(ready) == "node is revoked"


def test_a_collector_that_starts_revokes_what_the_database_forgot(
    scene: Scene, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    back_up(scene, tmp_path / "backup")
    renewed = prepare(scene, scene.node, new_identity=True)
    scene.stored(renewed, 0)
    revoke(scene.city.database, "corner")  # under another identity than the backup knows
    scene.city.database.close()
    for leftover in scene.city.directory.glob("city.db*"):
        leftover.unlink()
    shutil.copy(tmp_path / "backup", scene.city.database.path)
    scene.collector = Collector(scene.city, clock=scene.clock)
    assert "corner is revoked again" in caplog.text
    assert scene.report(scene.node, 1).reason == "node is revoked"


def test_an_echo_beyond_a_re_key_that_the_node_dropped_long_ago(scene: Scene) -> None:
    """Closing what is older takes the pending chain along, or no letter could be sealed any more."""
    scene.stored(scene.node, 0)
    prepare(scene, scene.node)
    node = scene.node
    for _ in range(7):
        node = node.ratchet(10)
        scene.stored(node, 0)
    hold_all(scene.city.database)
    held(scene, node.seal(example_report(), 1))
    scene.stored(node, 2, r9=challenge(scene, node))
    assert set(scene.epochs().values()) == {"closed", "current"}
    assert scene.topics == {}


def test_a_letter_that_cannot_be_sealed_costs_no_report(scene: Scene) -> None:
    renewed = prepare(scene, scene.node)
    with scene.city.database.write() as session:
        session.execute(update(Epoch).where(Epoch.state == "pending").values(state="closed", keys=None))
    scene.stored(scene.node, 0)
    assert scene.letter(renewed) is None


def test_a_ready_is_kept_while_a_node_is_held_and_its_letter_brings_the_challenge(scene: Scene) -> None:
    hold_all(scene.city.database)
    renewed = prepare(scene, scene.node)
    word = challenge(scene, renewed)
    held(scene, renewed.seal(example_report(), 0))
    scene.stored(renewed, 1, r9=word)
    assert scene.epochs() == {1: "closed", 65: "current"}


def test_holding_takes_a_new_challenge_each_time(scene: Scene) -> None:
    words = set()
    for _ in range(5):
        hold_all(scene.city.database)
        words.add(scene.registered().held)
    assert len(words) == 5


def test_a_backup_is_a_whole_city_that_opens(scene: Scene, tmp_path: Path) -> None:
    scene.stored(scene.node, 0)
    back_up(scene, tmp_path / "backup")
    restore(scene, tmp_path / "backup")
    with City.open(scene.city.directory) as again:
        assert Collector(again, clock=Clock()).receive(scene.node.seal(example_report(), 1)).reason == HELD
