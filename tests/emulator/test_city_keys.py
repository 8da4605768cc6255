"""The city's keys: every role replaced, a node revoked, a registry put back from a backup."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime

from lamp_post import NAME, LampPost, Recording, repeated_numbers

from hadeda.city import City
from hadeda.city.keyring import KeyState
from hadeda.city.rotation import behind, carry_out, erase_retired_keys, plan
from hadeda.collect.collector import HELD, REVOKED, Status
from hadeda.collect.mqtt import MqttCollector
from hadeda.envelope import labels, parse_sealed
from hadeda.registry import find_node, hold_all, revoke
from hadeda.registry.commands import RESULTS
from hadeda.registry.quarantine import refused

RaisePost = Callable[..., LampPost]
WINDOWS = 6
DATABASE = ("city.db", "city.db-wal")


def board_now(post: LampPost) -> datetime:
    return datetime.fromtimestamp(post.emulated.now(), UTC)


def rotate(post: LampPost, *roles: int) -> None:
    """What `hadeda keys rotate --role ...` does, until the node has taken it."""
    node = find_node(post.city.database, NAME)
    planned = plan(post.city, [node], roles=roles, now=board_now(post))
    (command,) = carry_out(post.city, planned, now=board_now(post))
    assert set(behind(post.city, node)) == set(roles)
    assert erase_retired_keys(post.city) == [], "a key that the node still needs was erased"

    def over() -> bool:
        return not behind(post.city, find_node(post.city.database, NAME))

    assert post.run_until_known(over, WINDOWS), post.explain("the node does not know the new keys")
    post.run_until(lambda: not post.emulated.radio.online)
    assert RESULTS[post.results()[command.number]] == "done"


def test_every_role_but_release_is_replaced_from_afar_and_old_keys_die(post: LampPost) -> None:
    post.power_on()
    post.run_until_stored(1)
    first = {entry.role: entry for entry in post.city.keyring.entries}
    assert set(first) == set(labels.ROLES)
    for roles in (
        (labels.ROLE_COLLECTOR, labels.ROLE_RECEIPT),
        (labels.ROLE_COMMAND,),
        (labels.ROLE_POLICY,),
    ):
        old = {first[role].thumbprint for role in roles}
        rotate(post, *roles)
        assert {entry.thumbprint for entry in erase_retired_keys(post.city)} == old
    assert {entry.state for entry in post.city.keyring.entries} == {KeyState.CURRENT}
    kept = {entry.thumbprint for entry in first.values()} & {e.thumbprint for e in post.city.keyring.entries}
    assert kept == {first[labels.ROLE_RELEASE].thumbprint}, "only the cable brings a node another release key"
    assert len(list(post.city.keyring.folder.glob("*.key"))) == len(labels.ROLES), "an old key's file is still there"
    assert post.secrets["authorities"] == post.city.authorities()
    # The old keys are gone, so whatever works now works with the new ones: collector, receipt and command
    stored = len(post.stored)
    number = post.command(labels.OPERATION_LOCATE)
    assert post.run_until_known(lambda: post.results()[number] is not None, WINDOWS), post.explain("no answer")
    assert RESULTS[post.results()[number]] == "done"
    assert len(post.stored) > stored
    assert post.count(Status.REJECTED) == post.count(Status.REPLAYED) == 0


def test_a_revoked_node_is_refused_from_that_moment_and_gets_no_letters(post: LampPost) -> None:
    post.power_on()
    post.run_until_stored(1)
    number = post.command(labels.OPERATION_LOCATE)
    revoke(post.city.database, NAME, board_now(post))
    written = len(post.collector.letters_written)
    post.run_windows(3)
    assert post.run_until_known(lambda: post.count(Status.REJECTED) >= 3, 1)
    assert len(post.stored) == 1
    in_quarantine = {row.head: row.reason for row in refused(post.city.database)}
    assert in_quarantine == dict.fromkeys(post.collector.reports[1:], REVOKED)
    assert len(post.collector.letters_written) == written, "a revoked node got a letter"
    assert post.results()[number] is None
    assert not post.emulated.wiring.led.changes


def test_a_revoked_nodes_waiting_letter_is_taken_back(post: LampPost) -> None:
    post.power_on()
    post.run_until_stored(1)
    post.command(labels.OPERATION_SET_POLICY)
    post.run_until(lambda: bool(post.collector.letters_written))
    revoke(post.city.database, NAME, board_now(post))
    post.run_until_known(lambda: post.count(Status.REJECTED) >= 1, 3)
    last = dict(post.collector.written)  # topic -> what stands there now
    assert last
    assert set(last.values()) == {b""}


def test_a_registry_put_back_takes_no_replay_and_has_its_nodes_again(raise_post: RaisePost) -> None:
    post = raise_post()
    broker = post.broker()
    broker.start()
    with MqttCollector(post.city, post.collector):
        post.power_on()
        post.run_until_stored(2)
        for name in DATABASE:
            if (post.city.directory / name).exists():
                shutil.copyfile(post.city.directory / name, post.folder / name)
        post.command(labels.OPERATION_SET_POLICY)  # so that letters are written that the backup does not know
        post.run_until_stored(6)
    before = post.collector
    assert before.letters_written
    put_back(post)
    assert len(post.stored) == 2
    assert hold_all(post.city.database) == 1
    replayed = [post.collector.receive(sealed) for sealed in before.messages]
    assert {outcome.status for outcome in replayed} == {Status.REJECTED}
    assert {outcome.reason for outcome in replayed} == {HELD}
    assert len(post.stored) == 2, "a replay was stored"
    with MqttCollector(post.city, post.collector):
        begun = post.clock_s
        assert post.run_until_known(lambda: post.count(Status.STORED) >= 1, 3), post.explain("not taken again")
        assert post.clock_s - begun <= 3 * post.window_s + 12
        post.run_until_stored(2)
    genuine = post.stored
    assert find_node(post.city.database, NAME).held is None
    again = [post.collector.receive(sealed).status for sealed in before.messages + post.collector.messages]
    assert Status.STORED not in again
    assert post.stored == genuine
    starts = [report.window_start for report in genuine]
    assert len(set(starts)) == len(starts) == 4
    letters = before.letters_written + post.collector.letters_written
    assert len({parse_sealed(letter).kid for letter in letters}) < len(letters)
    assert not repeated_numbers(letters), "a letter's number was used again"


def put_back(post: LampPost) -> None:
    """The city's database as it was when it was copied; a new collector with nothing remembered."""
    post.city.close()
    for name in (*DATABASE, "city.db-shm"):
        (post.city.directory / name).unlink(missing_ok=True)
        if (post.folder / name).exists():
            shutil.copyfile(post.folder / name, post.city.directory / name)
    post.city = City.open(post.city.directory)
    post.collector = Recording(post.city, post.emulated.now)
