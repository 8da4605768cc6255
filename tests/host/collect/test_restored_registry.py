"""A registry restored from a backup has forgotten what it accepted since: nothing is taken until the node echoes."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from key_life import Clock, Scene
from sealing import SealingNode, example_report, letter_number
from test_rekeys import prepare

from hadeda.city import City
from hadeda.collect import Collector, Status
from hadeda.envelope import labels
from hadeda.registry import count_reports, hold_all, refused

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
    assert scene.topics == {}
    for sealed in recorded:
        assert scene.take(sealed).status in (Status.REPLAYED, Status.REJECTED)
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
    assert scene.take(echo).status is Status.REPLAYED
    hold_all(scene.city.database)
    held(scene, echo)
    assert scene.registered().held is not None


def test_letter_and_command_numbers_are_not_reused_after_a_restore(scene: Scene, tmp_path: Path) -> None:
    first = scene.command(labels.OPERATION_REBOOT)
    scene.stored(scene.node, 0)
    back_up(scene, tmp_path / "backup")
    used = set()
    following = scene.node.ratchet()
    for sequence in range(1, 20):
        scene.clock.forward(seconds=1)
        scene.stored(scene.node, sequence)
        used |= {letter_number(scene.sealed_letter(node) or b"") for node in (scene.node, following)}
    second = scene.command(labels.OPERATION_LOCATE)
    scene.clock.forward(seconds=10)
    restore(scene, tmp_path / "backup")
    held(scene, scene.node.seal(example_report(), 20))
    again = {letter_number(scene.sealed_letter(node) or b"") for node in (scene.node, following)}
    assert min(again) > max(used)
    third = scene.command(labels.OPERATION_REBOOT)
    assert first.number < second.number < third.number


def test_a_node_that_re_keyed_after_the_backup_is_found_again_by_its_ready(scene: Scene, tmp_path: Path) -> None:
    back_up(scene, tmp_path / "backup")
    ready = scene.node.rekey()
    renewed = scene.node.pending
    assert renewed is not None
    scene.take(ready)
    scene.stored(renewed, 0)
    recorded = renewed.seal(example_report(), 1)
    scene.take(recorded)
    restore(scene, tmp_path / "backup")
    assert scene.refusal(recorded) == "no key for this kid and epoch"
    assert scene.take(ready).status is Status.READY, "replaying it helps"
    held(scene, recorded)
    scene.stored(renewed, 2, r9=challenge(scene, renewed))
    assert scene.take(recorded).status is not Status.STORED


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
