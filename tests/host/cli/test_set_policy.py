"""`hadeda policy sign` and `hadeda node command NODE set-policy`: what is signed by which key, and what is refused."""

from pathlib import Path
from typing import Any

import cbor2
import pytest
from policy_texts import FLOOR, STREET, written
from sealing import cells, dumps, enrolled, floor_map, open_sign1, record_policy, signed_policy
from typer.testing import CliRunner, Result

from hadeda.city import City
from hadeda.cli.main import app
from hadeda.collect import Collector
from hadeda.envelope import labels, sealing
from hadeda.registry import find_node, revoke
from hadeda.registry.commands import Command, commands


def hadeda(city: City, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), "--city", str(city.directory)])


def set_policy(city: City, *arguments: str | Path) -> Result:
    return hadeda(city, "node", "command", "corner", "set-policy", *arguments)


def queued(city: City) -> list[Command]:
    with city.database.read() as session:
        return commands(session, find_node(city.database, "corner"))


def arguments(city: City) -> dict[int, Any]:
    """Of the newest command; it is a set-policy."""
    command = sealing.read_command(queued(city)[0].signed)
    assert command.operation == labels.OPERATION_SET_POLICY
    return dict(command.arguments)


def floor(folder: Path, **changes: str) -> Path:
    """The shipped floor, version 2, with lines replaced."""
    folder.mkdir(exist_ok=True)
    return written(folder, {"version": "version = 2"} | changes, source=FLOOR)


@pytest.fixture
def signed(corner: City, tmp_path: Path) -> Path:
    """Version 3, k = 4."""
    file = tmp_path / "p.signed"
    file.write_bytes(signed_policy(corner, p2=3, p6=4))
    return file


@pytest.fixture
def corner(city: City) -> City:
    """A city with the node `corner`, which counts under version 2 and holds version 1 of a floor."""
    enrolled(city)
    return city


def payload(city: City, signed: bytes, context: str, role: int, *bound: bytes) -> bytes:
    return open_sign1(signed, dumps(["hadeda-1", context, *bound]), city.keyring.public(role))


def test_sign_then_set(corner: City, tmp_path: Path) -> None:
    file = written(tmp_path, {"version": "version = 3", "city": 'city = "Testville"', "k": "k = 6"}, source=STREET)
    done = hadeda(corner, "policy", "sign", file)
    assert done.exit_code == 0, done.stderr
    done = set_policy(corner, tmp_path / "policy.toml.signed")
    assert done.exit_code == 0, done.stderr
    found = arguments(corner)
    assert set(found) == {labels.SET_POLICY_POLICY}
    assert cbor2.loads(payload(corner, found[1], "policy", 4))[labels.POLICY_K] == 6


def test_a_stricter_floor_takes_the_policy_key_alone(corner: City, tmp_path: Path) -> None:
    done = set_policy(corner, "--floor", floor(tmp_path, min_k="min_k = 5"))
    assert done.exit_code == 0, done.stderr
    found = arguments(corner)
    assert set(found) == {labels.SET_POLICY_FLOOR}
    assert cbor2.loads(payload(corner, found[2], "floor", 4)) == floor_map(f2=5, f7=2)


@pytest.mark.parametrize(
    "looser",
    [
        {"min_seconds": "min_seconds = 60"},
        {"min_k": "min_k = 2"},
        {"max_epsilon_per_release": "max_epsilon_per_release = 1.000001"},
        {"max_epsilon_per_day": "max_epsilon_per_day = 97"},
        {"sources": "sources = []"},
        {"min_k": "min_k = 4", "sources": 'sources = ["vision"]'},
    ],
)
def test_a_looser_floor_takes_both_keys(corner: City, tmp_path: Path, looser: dict[str, str]) -> None:
    done = set_policy(corner, "--floor", floor(tmp_path, **looser))
    assert done.exit_code == 0, done.stderr
    found = arguments(corner)
    assert set(found) == {labels.SET_POLICY_FLOOR, labels.SET_POLICY_RELEASE}
    node_id = bytes.fromhex(find_node(corner.database, "corner").node_id)
    assert payload(corner, found[2], "floor", 4) == payload(corner, found[3], "release", 5, node_id)


def test_without_the_release_key_a_looser_floor_is_not_queued(corner: City, tmp_path: Path) -> None:
    corner.keyring.protect(labels.ROLE_RELEASE, b"somebody else's")
    done = set_policy(corner, "--floor", floor(tmp_path, min_k="min_k = 2"))
    assert done.exit_code == 1
    assert "looser than corner's (k from 3 down to 2) and takes the release key beside the policy key" in done.stderr
    assert "release key is locked" in done.stderr
    assert queued(corner) == []
    assert set_policy(corner, "--floor", floor(tmp_path / "x", min_k="min_k = 4")).exit_code == 0


def test_policy_and_floor_in_one_command_fit_a_letter(corner: City, tmp_path: Path, signed: Path) -> None:
    done = set_policy(corner, signed, "--floor", floor(tmp_path, min_k="min_k = 2"))
    assert done.exit_code == 0, done.stderr
    assert set(arguments(corner)) == {1, 2, 3}
    assert len(queued(corner)[0].signed) < labels.SEALED_MAX - 250


def test_what_the_node_did_is_what_the_city_knows(corner: City, tmp_path: Path, signed: Path) -> None:
    collector, node = Collector(corner), enrolled(corner, "bridge")
    done = hadeda(corner, "node", "command", "bridge", "set-policy", signed, "--floor", floor(tmp_path))
    assert done.exit_code == 0, done.stderr
    with corner.database.read() as session:
        (command,) = commands(session, find_node(corner.database, "bridge"))
    report = {
        10: [2, 0, 0, 1],
        1: 0,
        2: 1,
        3: 2,
        4: {},
        5: cells([-4] * 8),
        7: [1, 1, 0, 1],
        12: [1, 0],
        8: [command.number & 0xFFFF, 0],
    }
    assert collector.receive(node.seal(report, 0)).reason == ""
    bridge = find_node(corner.database, "bridge")
    assert (bridge.policy, cbor2.loads(bridge.floor or b"")) == (3, floor_map(f7=2))
    assert find_node(corner.database, "corner").policy == 2


@pytest.mark.parametrize("result", [labels.RESULT_REFUSED, labels.RESULT_INTERRUPTED])
def test_what_a_node_refused_changes_nothing(corner: City, signed: Path, result: int) -> None:
    collector, node = Collector(corner), enrolled(corner, "bridge")
    hadeda(corner, "node", "command", "bridge", "set-policy", signed)
    with corner.database.read() as session:
        (command,) = commands(session, find_node(corner.database, "bridge"))
    report = {10: [2, 0, 0, 1], 1: 0, 2: 1, 3: 2, 4: {}, 5: cells([-4] * 8), 7: [1, 1, 0, 1], 12: [1, 0]}
    collector.receive(node.seal(report | {8: [command.number & 0xFFFF, result]}, 0))
    assert find_node(corner.database, "bridge").policy == 2


def test_an_older_policy_is_not_queued(corner: City, signed: Path, tmp_path: Path) -> None:
    record_policy(corner, p2=3, p6=4)
    with corner.database.write() as session:
        session.merge(find_node(corner.database, "corner")).policy = 3
    file = tmp_path / "old.signed"
    file.write_bytes(signed_policy(corner))
    done = set_policy(corner, file)
    assert "corner counts under version 3 already and takes no older one" in done.stderr
    assert set_policy(corner, signed).exit_code == 0, "the very same again does no harm"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"p6": 2}, "k 2 is below the floor's 3"),
        ({"p3": 60}, "60 s is below the floor's 300 s"),
        ({"p7": 1_000_001}, "1.000001 is above the floor's 1"),
        ({"p10": {1: 9, 2: 1}, "p11": [1]}, "footfall is never allowed"),
        ({"p2": 2, "p6": 9}, "version 2 is another policy already"),
        ({"p1": bytes(32)}, "for another city"),
    ],
)
def test_what_the_node_would_refuse_is_not_queued(
    corner: City, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    file = tmp_path / "p.signed"
    file.write_bytes(signed_policy(corner, **({"p2": 3} | changes)))
    done = set_policy(corner, file)
    assert done.exit_code == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert queued(corner) == []


def test_a_floor_above_the_policy_in_force_needs_another_policy(corner: City, tmp_path: Path) -> None:
    strict = floor(tmp_path, min_k="min_k = 9")
    assert "bring a policy that keeps it in the same command" in set_policy(corner, "--floor", strict).stderr
    file = tmp_path / "p.signed"
    file.write_bytes(signed_policy(corner, p2=3, p6=9))
    assert set_policy(corner, file, "--floor", strict).exit_code == 0


def test_a_floors_version_rises(corner: City, tmp_path: Path) -> None:
    same = written(tmp_path, {"min_k": "min_k = 4"}, source=FLOOR)
    done = set_policy(corner, "--floor", same)
    assert "holds version 1 of its floor and takes only a higher one" in done.stderr
    assert queued(corner) == []


def test_a_node_that_does_not_know_the_policy_key_is_told_it_first(corner: City, signed: Path) -> None:
    corner.keyring.rotate(labels.ROLE_POLICY, None)
    signed.write_bytes(signed_policy(corner, p2=3))
    done = set_policy(corner, signed)
    assert "corner does not know the city's present policy key: `hadeda keys rotate corner` tells it" in done.stderr
    assert queued(corner) == []


def test_a_revoked_node_gets_no_policy(corner: City, signed: Path) -> None:
    revoke(corner.database, "corner")
    assert "revoked" in set_policy(corner, signed).stderr


def test_a_policy_file_that_is_not_signed_is_said_to_be_none(corner: City) -> None:
    done = set_policy(corner, STREET)
    assert "is not a signed policy: give what `hadeda policy sign` wrote" in done.stderr


def test_set_period_is_held_to_the_policys_window(corner: City) -> None:
    record_policy(corner, p2=3, p3=3600)
    with corner.database.write() as session:
        session.merge(find_node(corner.database, "corner")).policy = 3
    done = hadeda(corner, "node", "command", "corner", "set-period", "1800")
    assert "counts under a policy with windows of 3600 s and takes no shorter ones" in done.stderr
    assert hadeda(corner, "node", "command", "corner", "set-period", "7200").exit_code == 0


def test_a_city_and_a_node_say_their_policy(corner: City) -> None:
    assert '"policy": "test 2"' in hadeda(corner, "city", "show", "--json").stdout
    shown = hadeda(corner, "node", "show", "corner", "--json").stdout
    assert '"policy": 2' in shown
    assert '"min_k": 3' in shown
