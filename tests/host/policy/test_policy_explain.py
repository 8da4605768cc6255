"""`hadeda policy explain`: plain words, true numbers, a picture."""

import json
from pathlib import Path

import pytest
from policy_texts import STREET, policy, written
from typer.testing import CliRunner, Result

from hadeda.cli import policy as cli
from hadeda.policy import PolicyError, read_policy
from hadeda.policy.explain import BELOW_K, NO_BUDGET, day_of, leaves, revelation
from hadeda.policy.street import Street
from hadeda.scenario import World
from hadeda.scenario.world import DATA


def explain(file: Path, folder: Path, *more: str) -> Result:
    return CliRunner().invoke(cli.app, ["explain", str(file), "--picture", str(folder / "day.svg"), *more])


def test_it_says_what_leaves_and_what_never_does(tmp_path: Path) -> None:
    done = explain(STREET, tmp_path)
    assert done.exit_code == 0, done.output
    for said in ("What leaves the node", "every 15 minutes", "What never leaves it", "number plate", "no such number"):
        assert said in done.stdout
    assert "-> withheld" in done.stdout
    assert (tmp_path / "day.svg").read_text(encoding="utf-8").count("<svg") == 1
    assert "day.svg" in done.stderr


def test_the_risk_is_said_in_odds() -> None:
    text = " ".join(revelation(read_policy(STREET).model))
    assert "at most 1.65 times: an even guess, 50 in 100, becomes at most 62 in 100" in text
    assert "2.72 times" in text
    assert "Ten passages on one day, with all of their windows known: the report can shift the odds at most 148" in text
    assert "not a habit" in text


def test_an_epsilon_that_protects_nobody_is_called_that(tmp_path: Path) -> None:
    text = " ".join(revelation(policy(tmp_path, {"epsilon_per_release": "epsilon_per_release = 10"}).model))
    assert "protects nobody" in text


def test_presence_is_said_when_it_is_on(tmp_path: Path) -> None:
    assert not any("dog" in line for line in leaves(read_policy(STREET).model))
    assert any("somebody on foot from a cyclist" in line for line in leaves(policy(tmp_path, more="[presence]").model))


def test_footfall_is_said_when_it_is_on(tmp_path: Path) -> None:
    assert not any("radio" in line for line in leaves(read_policy(STREET).model))
    on = policy(tmp_path, more="[footfall]\nk = 10\nepsilon_per_release = 0.5").model
    assert any("changes its address" in line for line in leaves(on))
    (said,) = (line for line in revelation(on) if "device you carry" in line)
    assert "Who passes and is heard in one window adds both: the report can shift the odds at most 2.72 times" in said


def test_a_budget_that_runs_out_withholds_the_rest_of_the_day(tmp_path: Path) -> None:
    short = policy(tmp_path, {"epsilon_per_day": "epsilon_per_day = 20"}).model
    day = day_of(short, Street.of(short, World()), seed=1)
    assert (day.released[40:] == NO_BUDGET).all()
    assert (day.released[:40] != NO_BUDGET).all()
    assert ((day.released >= short.traffic.k) | (day.released == BELOW_K) | (day.released == NO_BUDGET)).all()


def test_json_has_the_whole_day_and_the_same_seed_gives_the_same(tmp_path: Path) -> None:
    answers = [json.loads(explain(STREET, tmp_path, "--json", "--seed", "5").stdout) for _ in range(2)]
    pictures = [(tmp_path / "day.svg").read_bytes()]
    assert answers[0] == answers[1]
    assert len(answers[0]["day"]["true"]) == 96
    explain(STREET, tmp_path, "--seed", "5")
    assert [(tmp_path / "day.svg").read_bytes()] == pictures
    assert answers[0]["odds_factor"] == pytest.approx(1.6487, abs=1e-4)


def test_a_street_on_which_nobody_counted_is_one_clear_line(tmp_path: Path) -> None:
    street = tmp_path / "street.csv"
    street.write_text("".join((DATA / "street-hourly.csv").read_text(encoding="utf-8").splitlines(True)[:3]), "utf-8")
    for command in ("explain", "utility"):
        done = CliRunner().invoke(cli.app, [command, str(STREET), "--street", str(street)])
        assert "knows no hour" in str(done.exception)
    linted = CliRunner().invoke(cli.app, ["lint", str(STREET), "--street", str(street), "--json"])
    assert [row["severity"] for row in json.loads(linted.stdout)["findings"]] == ["warning"]


def test_the_picture_goes_to_the_folder_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.app, ["explain", str(STREET)])
    assert (tmp_path / "street-explained.svg").is_file()
    assert "street-explained.svg" in done.stderr


def test_a_picture_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    for name in ("none/day.svg", "day.txt"):
        done = CliRunner().invoke(cli.app, ["explain", str(written(tmp_path)), "--picture", str(tmp_path / name)])
        assert done.exit_code == 1
        assert isinstance(done.exception, PolicyError)
