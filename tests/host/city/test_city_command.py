"""`hadeda city` on the command line: what it answers, and how it ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hadeda.city import City
from hadeda.cli.main import app


def hadeda(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_new_city_has_every_table_whatever_else_was_imported(tmp_path: Path) -> None:
    """In processes of their own: here, other tests have imported everything."""
    for arguments in (("city", "init", "harbour", "--unprotected"), ("reports", "--city", "harbour")):
        command = [sys.executable, "-m", "hadeda.cli.main", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_init_and_show(tmp_path: Path) -> None:
    made = hadeda("city", "init", tmp_path / "harbour", "--wifi-ssid", "quay", "--unprotected", "--json")
    assert made.exit_code == 0, made.output
    answer = json.loads(made.stdout)
    assert (answer["city"], answer["broker"], answer["nodes"]) == ("harbour", "localhost:8883", 0)
    shown = hadeda("city", "show", "--city", tmp_path / "harbour", "--json")
    assert json.loads(shown.stdout) == answer
    with City.open(tmp_path / "harbour") as city:
        text = hadeda("city", "show", "--city", city.directory).stdout
        assert city.collector_id.hex() in text
        assert city.secrets.broker_password not in text


@pytest.mark.parametrize("arguments", [("show", "--city", "nowhere"), ("mosquitto", "m", "--city", "nowhere")])
def test_a_missing_city_is_one_line_and_exit_1(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = hadeda("city", *arguments)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "no city in nowhere" in result.stderr
    assert "hadeda city init" in result.stderr


def test_a_city_that_is_there_already_is_one_line_and_exit_1(city: City) -> None:
    result = hadeda("city", "init", city.directory, "--unprotected")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "already" in result.stderr


def test_the_mosquitto_configuration_is_not_overwritten(city: City, tmp_path: Path) -> None:
    first = hadeda("city", "mosquitto", tmp_path / "m", "--port", "1234", "--city", city.directory, "--json")
    assert first.exit_code == 0, first.output
    text = Path(json.loads(first.stdout)["configuration"]).read_text()
    assert "listener 1234" in text
    assert "allow_anonymous false" in text
    passwords = (tmp_path / "m" / "passwords").read_text()
    for secret in (city.secrets.broker_password, city.secrets.city_password):
        assert secret not in text + passwords
    assert [line.split(":")[0] for line in passwords.splitlines()] == ["hadeda-node", "hadeda-city"]
    assert hadeda("city", "mosquitto", tmp_path / "m", "--city", city.directory).exit_code == 1
