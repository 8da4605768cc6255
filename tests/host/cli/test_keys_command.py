"""`hadeda keys`: what it says, what it writes, and that a dry run writes nothing."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sealing import enrolled
from typer.testing import CliRunner, Result

from hadeda.city import City
from hadeda.city.rotation import carry_out, erase_retired_keys, plan
from hadeda.cli.main import app
from hadeda.envelope import cose, epoch_keys, labels, sealing, strict_cbor, thumbprint
from hadeda.envelope.keys import public_point
from hadeda.registry import Node, find_node, nodes
from hadeda.registry.commands import Command, CommandState, commands
from hadeda.registry.epochs import current_chain

COMMAND = labels.ROLE_COMMAND
ROLES = ["collector", "receipt", "command", "policy", "release"]


def hadeda(city: City, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*(str(argument) for argument in arguments), "--city", str(city.directory)])


def answer(city: City, *arguments: str) -> Any:
    """The JSON that a command which succeeds says."""
    result = hadeda(city, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refusal(city: City, *arguments: str) -> str:
    """The one line that a command which fails says."""
    result = hadeda(city, *arguments)
    assert result.exit_code == 1, result.output
    assert len(result.stderr.splitlines()) == 1
    return result.stderr


def queued(city: City, name: str) -> list[Command]:
    with city.database.read() as session:
        return commands(session, find_node(city.database, name))


def arguments_of(command: Command) -> dict[int, Any]:
    return dict(sealing.read_command(command.signed).arguments)


def update(city: City, name: str, **changes: Any) -> None:
    """Set columns of a node, as if the collector had."""
    with city.database.write() as session:
        node = session.get_one(Node, find_node(city.database, name).id)
        for column, value in changes.items():
            setattr(node, column, value)


def contents(folder: Path) -> dict[str, str]:
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def two_nodes(city: City) -> City:
    """A city with two nodes in service and a revoked one."""
    for name in ("bridge", "corner", "gone"):
        enrolled(city, name)
    assert hadeda(city, "keys", "revoke", "gone", "--yes").exit_code == 0
    return city


def test_list_shows_every_key_of_the_city_and_every_nodes(two_nodes: City) -> None:
    said = answer(two_nodes, "keys", "list")
    assert [row["role"] for row in said["keys"]] == ROLES
    assert {(row["state"], row["protected"], row["nodes"], row["file"]) for row in said["keys"]} == {
        ("current", False, 2, "here")
    }
    assert [(row["name"], row["state"], row["epoch"], row["ratchets"]) for row in said["nodes"]] == [
        ("bridge", "current", 1, 0),
        ("corner", "current", 1, 0),
        ("gone", "revoked", 1, 0),
    ]
    text = hadeda(two_nodes, "keys", "list").stdout
    assert two_nodes.keyring.thumbprint(COMMAND).hex()[:16] in text
    assert "in the clear" in text


def test_list_never_shows_a_secret(two_nodes: City) -> None:
    output = hadeda(two_nodes, "keys", "list").output + hadeda(two_nodes, "keys", "list", "--json").output
    for role in labels.ROLES:
        scalar = two_nodes.keyring.private(role).private_numbers().private_value
        assert f"{scalar:064x}" not in output


@pytest.mark.parametrize(
    "arguments",
    [("corner",), ("corner", "--identity", "--compromised"), ("--all",), ("--role", "command"), ("--role", "release")],
)
def test_a_dry_run_writes_nothing(two_nodes: City, arguments: tuple[str, ...]) -> None:
    two_nodes.close()
    before = contents(two_nodes.directory)
    said = answer(two_nodes, "keys", "rotate", *arguments, "--dry-run")
    assert said["dry_run"] is True
    assert hadeda(two_nodes, "keys", "rotate", *arguments, "--dry-run").exit_code == 0
    assert contents(two_nodes.directory) == before


def test_a_dry_run_needs_no_passphrase(tmp_path: Path) -> None:
    with City.init(tmp_path / "c", "Testville", passphrase=b"open sesame") as city:
        enrolled(city)
        assert answer(city, "keys", "rotate", "--role", "command", "--dry-run")["new_city_keys"] == ["command"]
        assert "locked" in refusal(city, "keys", "rotate", "--role", "command", "--yes")


def test_a_dry_run_says_what_happens_to_each_node(two_nodes: City) -> None:
    update(two_nodes, "corner", heard_at=datetime.now(UTC))
    said = answer(two_nodes, "keys", "rotate", "--role", "command", "--role", "receipt", "--dry-run")
    assert said["new_city_keys"] == ["command", "receipt"]
    rows = {row["node"]: row for row in said["nodes"]}
    assert rows["gone"]["skipped"] == "revoked"
    for name in ("bridge", "corner"):
        assert rows[name]["tells"] == ["receipt", "command"]
        assert rows[name]["signed_by"] == two_nodes.keyring.thumbprint(COMMAND).hex()
        assert rows[name]["epoch"] == 1
    assert rows["bridge"]["done_by"] is None, "it was never heard"
    within = datetime.fromisoformat(rows["corner"]["done_by"]) - datetime.now(UTC)
    assert timedelta(minutes=55) < within < timedelta(minutes=65), "four windows of a quarter of an hour"
    text = hadeda(two_nodes, "keys", "rotate", "--role", "command", "--dry-run").stdout
    assert "nothing: revoked" in text
    assert "the new command key" in text


def test_rotate_one_node_queues_one_command_and_changes_no_city_key(two_nodes: City) -> None:
    before = two_nodes.authorities()
    answer(two_nodes, "keys", "rotate", "corner")
    (command,) = queued(two_nodes, "corner")
    assert (command.operation_name, command.state) == ("rotate", CommandState.WAITING)
    assert arguments_of(command) == {}
    assert queued(two_nodes, "bridge") == []
    assert two_nodes.authorities() == before
    rows = {row["name"]: row["state"] for row in answer(two_nodes, "keys", "list")["nodes"]}
    assert rows == {"bridge": "current", "corner": "rotation waits", "gone": "revoked"}


def test_identity_and_compromised_go_with_the_command(two_nodes: City) -> None:
    answer(two_nodes, "keys", "rotate", "corner", "--identity", "--compromised")
    (command,) = queued(two_nodes, "corner")
    assert arguments_of(command) == {labels.ROTATE_IDENTITY: 1}
    assert find_node(two_nodes.database, "corner").close_past == command.number


def test_all_nodes_in_service_are_told_and_revoked_ones_are_named(two_nodes: City) -> None:
    result = hadeda(two_nodes, "keys", "rotate", "--all")
    assert result.exit_code == 0
    assert "gone" in result.stdout
    assert "nothing: revoked" in result.stdout
    assert [len(queued(two_nodes, name)) for name in ("bridge", "corner", "gone")] == [1, 1, 0]


def test_rotating_a_role_makes_a_key_and_tells_every_node_with_the_key_it_knows(two_nodes: City) -> None:
    old = two_nodes.keyring.entry(COMMAND)
    answer(two_nodes, "keys", "rotate", "--role", "command")
    new = two_nodes.keyring.entry(COMMAND)
    assert new.public != old.public
    for name in ("bridge", "corner"):
        (command,) = queued(two_nodes, name)
        assert arguments_of(command) == {labels.ROTATE_KEYS: {COMMAND: new.public}}
        _assert_signed_by(command, find_node(two_nodes.database, name), old.public)
    said = answer(two_nodes, "keys", "list")
    states = {(row["thumbprint"], row["state"]): row["nodes"] for row in said["keys"] if row["role"] == "command"}
    assert states == {(new.thumbprint.hex(), "current"): 0, (old.thumbprint.hex(), "retiring"): 2}
    assert said["erased"] == []


def _assert_signed_by(command: Command, node: Node, public: bytes) -> None:
    aad = strict_cbor.encode([labels.PROFILE, "command", bytes.fromhex(node.node_id)])
    cose.verify(cose.parse_sign1(command.signed), aad, public)


def test_a_second_rotation_tells_what_the_first_one_would_have(two_nodes: City) -> None:
    """The first command is superseded, so the second has to carry its key too."""
    answer(two_nodes, "keys", "rotate", "--role", "command")
    answer(two_nodes, "keys", "rotate", "--role", "receipt")
    newest, first = queued(two_nodes, "corner")
    assert first.state == CommandState.SUPERSEDED
    assert sorted(arguments_of(newest)[labels.ROTATE_KEYS]) == [labels.ROLE_RECEIPT, COMMAND]


def test_a_node_that_missed_a_rotation_is_told_again(two_nodes: City) -> None:
    answer(two_nodes, "keys", "rotate", "--role", "collector")
    with two_nodes.database.write() as session:
        for command in commands(session, find_node(two_nodes.database, "corner")):
            command.state = CommandState.EXPIRED
    rows = {row["name"]: row for row in answer(two_nodes, "keys", "list")["nodes"]}
    assert rows["corner"]["state"] == "behind: collector"
    assert rows["corner"]["behind"] == ["collector"]
    answer(two_nodes, "keys", "rotate", "--all")
    keys = arguments_of(queued(two_nodes, "corner")[0])[labels.ROTATE_KEYS]
    assert keys == {labels.ROLE_COLLECTOR: two_nodes.collector_public}


def test_all_keys_at_once_still_fit_a_letter(two_nodes: City) -> None:
    flags = [part for role in ROLES for part in ("--role", role)]
    answer(two_nodes, "keys", "rotate", *flags, "--identity")
    (command,) = queued(two_nodes, "corner")
    assert len(arguments_of(command)[labels.ROTATE_KEYS]) == 4
    letter = sealing.Letter(labels.EPOCH_MESSAGES_MAX, command.signed, bytes(8))
    node_id = bytes.fromhex(find_node(two_nodes.database, "corner").node_id)
    keys = epoch_keys(bytes(32), 2**32 - 1)
    sealed = sealing.seal_letter(keys, 2**32 - 1, 2**40 - 1, two_nodes.keyring.private(2), node_id, letter)
    assert len(sealed) <= labels.SEALED_MAX


def test_a_node_in_service_is_never_told_another_release_key(two_nodes: City) -> None:
    said = answer(two_nodes, "keys", "rotate", "--role", "release")
    assert all("only over the cable" in (row["skipped"] or "") for row in said["nodes"] if row["node"] != "gone")
    assert queued(two_nodes, "corner") == []
    rows = [row for row in answer(two_nodes, "keys", "list")["keys"] if row["role"] == "release"]
    assert [row["nodes"] for row in rows if row["state"] == "retiring"][-1] == 2, "the nodes still know the old one"
    said = answer(two_nodes, "keys", "rotate", "--role", "release", "--role", "policy")
    assert {tuple(row["tells"]) for row in said["nodes"] if not row["skipped"]} == {("policy",)}


def test_a_retiring_key_is_erased_when_the_last_node_has_the_new_one(two_nodes: City) -> None:
    old = two_nodes.keyring.entry(labels.ROLE_RECEIPT)
    old_file = two_nodes.keyring.folder / old.file_name
    answer(two_nodes, "keys", "rotate", "--role", "receipt")
    new = {str(labels.ROLE_RECEIPT): two_nodes.keyring.thumbprint(labels.ROLE_RECEIPT).hex()}
    _take(two_nodes, "corner", new)
    assert answer(two_nodes, "keys", "list")["erased"] == []
    assert old_file.exists()
    _take(two_nodes, "bridge", new)
    assert answer(two_nodes, "keys", "list")["erased"] == [old.thumbprint.hex()]
    assert not old_file.exists()
    assert answer(two_nodes, "keys", "list")["erased"] == []


def _take(city: City, name: str, authorities: dict[str, str]) -> None:
    """Let the registry say that a node knows other keys, as the commit of a re-key does."""
    with city.database.write() as session:
        node = session.get_one(Node, find_node(city.database, name).id)
        chain = current_chain(session, node)
        node.authorities = chain.authorities = {**node.authorities, **authorities}


def test_a_key_that_a_node_may_still_learn_from_a_command_is_not_erased(two_nodes: City) -> None:
    """K2 was told, then superseded by K3; the node may have taken K2, and its ready be on its way."""
    answer(two_nodes, "keys", "rotate", "--role", "command")
    second = two_nodes.keyring.entry(COMMAND)
    answer(two_nodes, "keys", "rotate", "--role", "command")
    assert [entry.thumbprint for entry in erase_retired_keys(two_nodes)] == []
    assert two_nodes.keyring.private(COMMAND, second.thumbprint)
    for name in ("bridge", "corner"):
        _take(two_nodes, name, {str(COMMAND): two_nodes.keyring.thumbprint(COMMAND).hex()})
        with two_nodes.database.write() as session:
            for command in commands(session, find_node(two_nodes.database, name)):
                command.last_epoch = 1 - labels.REKEY_GRACE - 1  # the node is far beyond it
    assert second.thumbprint in [entry.thumbprint for entry in erase_retired_keys(two_nodes)]


def test_keys_of_revoked_nodes_hold_nothing_up(two_nodes: City) -> None:
    for name in ("bridge", "corner"):
        assert hadeda(two_nodes, "keys", "revoke", name).exit_code == 0
    old = two_nodes.keyring.entry(COMMAND)
    assert answer(two_nodes, "keys", "rotate", "--role", "command")["erased"] == [old.thumbprint.hex()]


def test_a_power_cut_between_the_new_key_and_the_commands_is_made_good_by_rotating_again(two_nodes: City) -> None:
    planned = plan(two_nodes, nodes(two_nodes.database), roles=[COMMAND])

    def cut(*_arguments: object, **_named: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hadeda.city.rotation.queue", cut)
        with pytest.raises(KeyboardInterrupt):
            carry_out(two_nodes, planned)
    assert queued(two_nodes, "corner") == queued(two_nodes, "bridge") == []
    assert len(two_nodes.keyring.privates(COMMAND)) == 2
    answer(two_nodes, "keys", "rotate", "--all")
    for name in ("bridge", "corner"):
        (command,) = queued(two_nodes, name)
        assert arguments_of(command) == {labels.ROTATE_KEYS: {COMMAND: two_nodes.keyring.public(COMMAND)}}


def test_a_wrong_passphrase_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with City.init(tmp_path / "c", "Testville", passphrase=b"open sesame") as city:
        enrolled(city)
    (tmp_path / "wrong").write_text("open sesam\n")
    (tmp_path / "wrong").chmod(0o600)
    monkeypatch.setenv("HADEDA_PASSPHRASE_FILE", str(tmp_path / "wrong"))
    before = contents(tmp_path)
    assert "does not open" in refusal(city, "keys", "rotate", "--role", "receipt", "--yes")
    assert "does not open" in refusal(city, "keys", "rotate", "corner", "--yes")
    city.close()
    assert contents(tmp_path) == before


def test_the_command_key_is_missed_only_when_something_is_signed(two_nodes: City, tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    path = two_nodes.keyring.folder / two_nodes.keyring.entry(COMMAND).file_name
    shutil.move(path, tmp_path / "stick")
    path.symlink_to(tmp_path / "stick" / path.name)
    (tmp_path / "stick").rename(tmp_path / "drawer")
    row = next(row for row in answer(two_nodes, "keys", "list")["keys"] if row["role"] == "command")
    assert row["protected"] is None
    assert "not there" in row["file"]
    assert answer(two_nodes, "keys", "rotate", "corner", "--dry-run")
    assert "bring its medium" in refusal(two_nodes, "keys", "rotate", "corner")
    (tmp_path / "drawer").rename(tmp_path / "stick")
    result = hadeda(two_nodes, "keys", "rotate", "--role", "command")
    assert result.exit_code == 0
    assert "move it there too" in result.stderr


def test_a_node_whose_command_key_the_city_has_lost_is_said_to_need_a_cable(two_nodes: City) -> None:
    stranger = thumbprint(public_point(two_nodes.keyring.private(1).public_key())).hex()
    _take(two_nodes, "corner", {str(COMMAND): stranger})
    said = answer(two_nodes, "keys", "rotate", "--all")
    assert {row["node"]: row["skipped"] for row in said["nodes"]}["corner"].endswith("needs a cable")
    assert "needs a cable" in refusal(two_nodes, "keys", "rotate", "corner")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "nothing says whose keys"),
        (("corner", "--all"), "at once"),
        (("corner", "--role", "command"), "at once"),
        (("--role", "mayor"), "no mayor key: a role is one of collector"),
        (("nobody",), "no node is called nobody"),
        (("gone",), "revoked"),
    ],
)
def test_what_cannot_be_rotated_is_one_line(two_nodes: City, arguments: tuple[str, ...], words: str) -> None:
    before = two_nodes.keyring.entries
    assert words in refusal(two_nodes, "keys", "rotate", *arguments)
    assert two_nodes.keyring.entries == before


def test_on_a_terminal_it_shows_the_plan_and_asks(two_nodes: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hadeda.cli.unlock.at_terminal", lambda: True)
    runner = CliRunner()
    arguments = ["keys", "rotate", "--all", "--city", str(two_nodes.directory)]
    refused = runner.invoke(app, arguments, input="n\n")
    assert refused.exit_code == 1
    assert "to be queued" in refused.stderr
    assert queued(two_nodes, "corner") == []
    assert runner.invoke(app, arguments, input="y\n").exit_code == 0
    assert len(queued(two_nodes, "corner")) == 1
