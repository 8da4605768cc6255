"""`hadeda reports` and `hadeda open`: what they tell, with and without the city's keys, and how they end."""

import json
import os
from pathlib import Path

import pytest
from sealing import enrolled, example_report
from typer.testing import CliRunner, Result

from hadeda.city import City
from hadeda.cli.main import app
from hadeda.collect import Collector
from hadeda.registry import count_reports


def hadeda(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


@pytest.fixture
def sealed(city: City, tmp_path: Path) -> Path:
    """A message of a node of `city`, in a file; two others are in the city's store."""
    node, collector = enrolled(city), Collector(city)
    for sequence in range(2):
        collector.receive(node.seal(example_report(r1=1_654_041_600 + 900 * sequence), sequence))
    path = tmp_path / "message"
    path.write_bytes(node.seal(example_report(r6={1: 4}, r8=[515, 2], r9=b"\xc4" * 8), 2))
    return path


@pytest.mark.usefixtures("sealed")
def test_reports_as_a_table_and_as_json(city: City) -> None:
    table = hadeda("reports", "--city", city.directory)
    assert table.exit_code == 0
    for text in (
        "2 of 2 reports",
        "2022-06-01 00:15",
        "corner",
        "18.34",
        "102",
        "cells",
        "0.5/1.5",
    ):
        assert text in table.stdout
    answer = json.loads(hadeda("reports", "--city", city.directory, "--json", "-n", "1").stdout)
    assert len(answer) == 1
    assert answer[0]["window_start"] == "2022-06-01T00:15:00+00:00"
    assert answer[0]["air"][0] == {
        "channel": "temperature", "unit": "degC", "n": 90, "mean": 18.34, "minimum": 17.82, "maximum": 18.95,
    }  # fmt: skip
    assert answer[0]["traffic"][3] == {
        "road_user": "vehicle", "direction": "approaching", "speed_band_kmh": ">=70", "count": None,
        "withheld": "below k",
    }  # fmt: skip
    assert (answer[0]["policy_version"], answer[0]["epsilon"], answer[0]["spent"]) == (2, 500_000, 1_500_000)


def test_reports_of_an_empty_city_and_of_an_unknown_node(city: City) -> None:
    assert json.loads(hadeda("reports", "--city", city.directory, "--json").stdout) == []
    assert hadeda("reports", "--city", city.directory).exit_code == 0
    unknown = hadeda("reports", "--node", "nobody", "--city", city.directory)
    assert (unknown.exit_code, len(unknown.stderr.splitlines())) == (1, 1)


def test_open_explains_every_layer_and_stores_nothing(city: City, sealed: Path) -> None:
    result = hadeda("open", sealed, "--city", city.directory)
    assert result.exit_code == 0, result.output
    for text in (
        "COSE_Encrypt0", "AES-CCM-16-128-128", "sequence number 2", "COSE_Sign1", "ESP256", "corner",
        "not in the report store", "temperature", "18.34 degC", "vehicle receding 30-49", "withheld",
        "below k", "test 2", "1.5 in the node's ledger day", "fault bme280",
        "no answer", "power on", "unsupported", "515", "c4c4c4c4c4c4c4c4",
    ):  # fmt: skip
        assert text in result.stdout, text
    assert count_reports(city.database) == 2
    layers = json.loads(hadeda("open", sealed, "--city", city.directory, "--json").stdout)["layers"]
    assert [len(layer["fields"]) > 0 for layer in layers] == [True, True, True]


def test_open_explains_a_re_key_and_keeps_its_secrets(city: City, tmp_path: Path) -> None:
    node, file = enrolled(city), tmp_path / "rekey"
    file.write_bytes(node.rekey(new_identity=True, command=77))
    result = hadeda("open", file, "--city", city.directory)
    assert result.exit_code == 0, result.output
    for text in ("COSE_Encrypt (tag 96)", "ECDH-ES", "corner", "65", "77", "not in the registry", "signed for itself"):
        assert text in result.stdout, text
    assert node.pending is not None
    for secret in (node.pending.root.hex(), node.pending.keys["key"].hex()):
        assert secret[:16] not in result.stdout
    assert hadeda("open", file, "--city", city.directory, "--json").exit_code == 0
    Collector(city).receive(file.read_bytes())
    assert "chain is pending" in hadeda("open", file, "--city", city.directory).stdout
    outside = hadeda("open", "-", stdin=file.read_bytes())
    assert outside.exit_code == 0
    assert "corner" not in outside.stdout
    file.write_bytes(file.read_bytes()[:200] + b"\0" + file.read_bytes()[201:])
    assert hadeda("open", file, "--city", city.directory).exit_code == 1


def test_open_without_a_city_tells_what_anyone_can_see(
    sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HADEDA_CITY", raising=False)
    result = hadeda("open", "-", stdin=sealed.read_bytes())
    assert result.exit_code == 0
    assert "epoch 1" in result.stdout
    assert "temperature" not in result.stdout
    assert "--city" in result.stderr


def test_open_of_a_damaged_message_tells_the_outside_and_exits_1(city: City, sealed: Path) -> None:
    sealed.write_bytes(sealed.read_bytes()[:-1] + b"\0")
    result = hadeda("open", sealed, "--city", city.directory)
    assert result.exit_code == 1
    assert "COSE_Encrypt0" in result.stdout
    assert "does not open (not sealed by the key its kid names)" in result.stderr


def test_open_of_something_else_is_one_line_and_exit_1(city: City, tmp_path: Path) -> None:
    noise = tmp_path / "noise"
    noise.write_bytes(os.urandom(100_000))
    for file in (noise, tmp_path / "nothing", tmp_path):
        result = hadeda("open", file, "--city", city.directory)
        assert (result.exit_code, len(result.stderr.splitlines()), result.stdout) == (1, 1, "")


def test_what_is_lost_is_told_by_reports_show_and_open(city: City, tmp_path: Path) -> None:
    node, file = enrolled(city), tmp_path / "message"
    file.write_bytes(node.seal(example_report(r12=[9, 4, 3, 2]), 0))
    Collector(city).receive(file.read_bytes())
    assert "6 lost for good" in hadeda("reports", "--city", city.directory).stdout.replace("\n", " ")
    shown = json.loads(hadeda("node", "show", "corner", "--city", city.directory, "--json").stdout)
    assert (shown["receipt"], shown["lost"]) == (6, [[1, 6]])
    explained = hadeda("open", file, "--city", city.directory).stdout
    assert "report 9" in explained
    assert "5 to 6" in explained
