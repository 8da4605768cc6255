"""`hadeda node command` and `hadeda city restored`: what is queued, what is refused before anything is signed."""

import json
from pathlib import Path

import pytest
from sealing import enrolled
from typer.testing import CliRunner, Result

from hadeda.city import City
from hadeda.cli.main import app
from hadeda.envelope import labels, sealing
from hadeda.registry import find_node, revoke
from hadeda.registry.commands import Command, commands


def hadeda(city: City, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--city", str(city.directory)])


def queued(city: City) -> list[Command]:
    with city.database.read() as session:
        return commands(session, find_node(city.database, "corner"))


@pytest.fixture
def corner(city: City) -> City:
    """A city with the node `corner`, whose windows are 900 s."""
    enrolled(city)
    return city


@pytest.mark.parametrize(
    ("words", "operation", "arguments"),
    [
        (["reboot"], labels.OPERATION_REBOOT, {}),
        (["locate"], labels.OPERATION_LOCATE, {}),
        (["report-now"], labels.OPERATION_REPORT_NOW, {}),
        (["set-period", "1800"], labels.OPERATION_SET_PERIOD, {labels.SET_PERIOD_WINDOW: 1800}),
        (["set-period", "900"], labels.OPERATION_SET_PERIOD, {labels.SET_PERIOD_WINDOW: 900}),
        (["set-period", "86400"], labels.OPERATION_SET_PERIOD, {labels.SET_PERIOD_WINDOW: 86400}),
    ],
)
def test_a_command_is_signed_and_waits(
    corner: City, words: list[str], operation: int, arguments: dict[int, int]
) -> None:
    result = hadeda(corner, "node", "command", "corner", *words, "--json")
    assert result.exit_code == 0, result.output
    (command,) = queued(corner)
    said = json.loads(result.stdout)
    assert (said["number"], said["last_epoch"], said["state"]) == (command.number, command.last_epoch, "waiting")
    read = sealing.read_command(command.signed)
    assert (read.operation, dict(read.arguments)) == (operation, arguments)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["self-destruct"], "nodes know no command self-destruct: one of report-now"),
        (["rotate"], "nodes know no command rotate"),
        (["reboot", "5"], "takes no argument"),
        (["set-period", "1e3"], "does not divide a day"),
        (["set-period", "9" * 5000], "does not divide a day"),
        (["locate", "--floor", "floor.toml"], "takes no floor"),
        (["set-policy"], "needs a policy or a floor"),
        (["set-period"], "needs the window's length"),
        (["set-period", "1000"], "does not divide a day"),
        (["set-period", "0"], "does not divide a day"),
        (["set-period", "172800"], "does not divide a day"),
        (["set-period", "300"], "takes no shorter ones"),
    ],
)
def test_what_no_node_would_do_is_not_signed(corner: City, words: list[str], complaint: str) -> None:
    result = hadeda(corner, "node", "command", "corner", *words)
    assert result.exit_code == 1
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert queued(corner) == []


def test_a_revoked_node_gets_no_command(corner: City) -> None:
    revoke(corner.database, "corner")
    result = hadeda(corner, "node", "command", "corner", "reboot")
    assert result.exit_code == 1
    assert "revoked" in result.stderr


def test_without_the_command_key_nothing_is_queued(tmp_path: Path) -> None:
    with City.init(tmp_path / "c", "Testville", passphrase=b"open sesame") as city:
        enrolled(city)
        result = hadeda(city, "node", "command", "corner", "reboot")
        assert result.exit_code == 1
        assert "command key is locked" in result.stderr
        assert queued(city) == []


def test_restored_holds_every_node_in_service_under_a_challenge_of_its_own(corner: City) -> None:
    enrolled(corner, "bridge")
    enrolled(corner, "gone")
    revoke(corner.database, "gone")
    result = hadeda(corner, "city", "restored", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"held": 2}
    held = {name: find_node(corner.database, name).held for name in ("corner", "bridge", "gone")}
    assert held["gone"] is None
    assert len(held["corner"] or b"") == len(held["bridge"] or b"") == labels.CHALLENGE_SIZE
    assert held["corner"] != held["bridge"]
    assert "held until it answers" in hadeda(corner, "keys", "list").stdout
