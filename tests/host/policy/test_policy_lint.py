"""`hadeda policy lint`: contradictions, the floor, the budget, and cells that a real street does not fill."""

import json
from pathlib import Path

import pytest
from policy_texts import BELOW_FLOOR, FLOOR, STREET, line_number, policy, written
from typer.testing import CliRunner, Result

from hadeda.cli import policy as cli
from hadeda.policy import Finding, Policy, Read, read_floor, read_policy
from hadeda.policy.lint import below_floor, budget, contradictions, lint, outlook
from hadeda.policy.street import Street
from hadeda.scenario import World


def hadeda(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=0)


def on_the_street(found: Read[Policy], world: World) -> list[Finding]:
    return lint(found, read_floor(FLOOR), Street.of(found.model, world))


def test_the_policy_we_ship_has_nothing_to_say_about(world: World) -> None:
    assert on_the_street(read_policy(STREET), world) == []
    assert hadeda("lint", STREET).exit_code == 0


def test_every_value_below_the_floor_is_named_with_its_line() -> None:
    found = {(f.table, f.key): f for f in below_floor(read_policy(BELOW_FLOOR), read_floor(FLOOR).model)}
    wanted = {
        ("[window]", "seconds"): ("seconds = 60", "60 s is below the floor's 300 s"),
        ("[traffic]", "k"): ("k = 2", "2 is below the floor's 3"),
        ("[traffic]", "epsilon_per_release"): ("epsilon_per_release = 1.5", "1.5 is above the floor's 1"),
        ("[traffic]", "epsilon_per_day"): ("epsilon_per_day", "144 is above the floor's 96"),
        ("[footfall]", "k"): ("k = 1", "1 is below the floor's 3"),
        ("[footfall]", "epsilon_per_release"): ("epsilon_per_release = 2.0", "2 is above the floor's 1"),
        ("", "footfall"): ("[footfall]", "never allowed"),
    }
    assert set(found) == set(wanted)
    for place, (line, says) in wanted.items():
        assert found[place].line == line_number(BELOW_FLOOR, line)
        assert says in found[place].what
        assert "a node refuses it whoever signed it" in found[place].what
        assert found[place].severity == "error"


def test_the_command_says_which_line_and_why_and_ends_with_1() -> None:
    done = hadeda("lint", BELOW_FLOOR)
    assert done.exit_code == 1
    line = line_number(BELOW_FLOOR, "k = 2")
    assert f"below_floor.toml:{line}: error: [traffic] k: 2 is below the floor's 3" in done.stdout
    assert "policies/floor.toml" in done.stderr


def test_json_has_the_same_findings_and_the_cells() -> None:
    done = hadeda("lint", BELOW_FLOOR, "--json")
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["ok"]) == (1, False)
    assert {row["line"] for row in answer["findings"]} >= {line_number(BELOW_FLOOR, "k = 2")}
    assert [row["cell"] for row in answer["cells"]] == ["vehicle approaching, any speed", "vehicle receding, any speed"]


def test_a_channel_never_allowed_is_an_error(tmp_path: Path) -> None:
    floor = read_floor(written(tmp_path, {"channels": 'channels = ["pm10"]'}, source=FLOOR)).model
    (finding,) = below_floor(read_policy(STREET), floor)
    assert "'pm10' is never allowed" in finding.what
    assert finding.line == line_number(STREET, "channels")


@pytest.mark.parametrize("source", ["vision", "presence"])
def test_what_sees_people_never_allowed_is_an_error(source: str, tmp_path: Path) -> None:
    floor = written(tmp_path, {"sources": f'sources = ["{source}"]'}, source=FLOOR).rename(tmp_path / "strict.toml")
    (finding,) = below_floor(policy(tmp_path, more=f"[{source}]"), read_floor(floor).model)
    assert finding.key == source


@pytest.mark.parametrize("content", ["", "min_k = ", "[counts]\nmin_k = 0", "\x00", "[never]\nsources = 1"])
def test_a_damaged_floor_is_an_error_not_a_pass(content: str, tmp_path: Path) -> None:
    floor = tmp_path / "floor.toml"
    floor.write_text(content, encoding="utf-8")
    done = hadeda("lint", written(tmp_path), "--json")
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["ok"]) == (1, False)
    assert {row["file"] for row in answer["findings"]} == {str(floor)}
    assert hadeda("lint", STREET, "--floor", tmp_path / "none.toml").exit_code == 1


def test_a_policy_that_cannot_be_read_is_an_error_in_json_too(tmp_path: Path) -> None:
    file = written(tmp_path, {"k = ": "k = nan"})
    answer = json.loads(hadeda("lint", file, "--json").stdout)
    assert [(row["line"], row["table"], row["key"]) for row in answer["findings"]] == [
        (line_number(file, "k = "), "traffic", "k")
    ]


def test_a_passage_in_two_cells_is_a_contradiction(tmp_path: Path) -> None:
    (finding,) = contradictions(policy(tmp_path, {"classes": 'classes = ["vehicle", "car", "person"]'}, "[vision]"))
    assert "exactly one cell" in finding.what


def test_classes_of_a_camera_want_its_table(tmp_path: Path) -> None:
    camera = {"classes": 'classes = ["person", "vehicle"]'}
    (finding,) = contradictions(policy(tmp_path, camera))
    assert "only a camera counts 'person'" in finding.what
    assert contradictions(policy(tmp_path, camera, "[vision]")) == []


def test_presence_wants_its_table_and_shares_everybody(tmp_path: Path) -> None:
    (finding,) = contradictions(policy(tmp_path, {"classes": 'classes = ["presence"]'}))
    assert "only a presence input counts 'presence', and the policy has no table [presence]" in finding.what
    assert contradictions(policy(tmp_path, {"classes": 'classes = ["presence"]'}, "[presence]")) == []
    (finding,) = contradictions(policy(tmp_path, {"classes": 'classes = ["presence", "vehicle"]'}, "[presence]"))
    assert "'presence' and 'vehicle' share passages" in finding.what


def test_a_day_that_does_not_pay_for_one_window_is_a_contradiction(tmp_path: Path) -> None:
    (finding,) = contradictions(policy(tmp_path, {"epsilon_per_day": "epsilon_per_day = 0.4"}))
    assert "a single window costs 0.5" in finding.what


def test_a_budget_that_runs_out_says_how_many_windows_are_withheld(tmp_path: Path) -> None:
    (finding,) = budget(policy(tmp_path, {"epsilon_per_day": "epsilon_per_day = 12.25"}))
    assert "pays for 24 of a day's 96 windows at 0.5 each: 72 windows of every day are withheld" in finding.what
    assert finding.severity == "warning"


def test_footfall_is_paid_from_the_same_budget(tmp_path: Path) -> None:
    found = budget(policy(tmp_path, more="[footfall]\nk = 5\nepsilon_per_release = 0.5"))
    assert [f.what.split(":")[0] for f in found] == ["48 pays for 48 of a day's 96 windows at 1 each"]


def test_passages_and_footfall_keep_the_floors_epsilon_of_a_release_together(tmp_path: Path) -> None:
    floor = read_floor(written(tmp_path, {"sources": "sources = []"}, source=FLOOR)).model

    def found(heard: str) -> list[Finding]:
        return below_floor(policy(tmp_path, more=f"[footfall]\nk = 5\nepsilon_per_release = {heard}"), floor)

    assert found("0.5") == []
    (finding,) = found("0.500001")
    assert (finding.table, finding.key) == ("[footfall]", "epsilon_per_release")
    assert "with the passages' 0.5 it is above the floor's 1 for a release" in finding.what
    (finding,) = found("1.000001")
    assert finding.what.startswith("1.000001 is above the floor's 1;")


def test_a_budget_that_limits_nothing_and_a_k_of_one_are_warned_about(tmp_path: Path) -> None:
    found = budget(policy(tmp_path, {"epsilon_per_day": "epsilon_per_day = 500", "k = ": "k = 1"}))
    assert [f.key for f in found] == ["epsilon_per_day", "k"]


def test_cells_too_fine_for_the_street_are_warned_about_in_numbers(tmp_path: Path, world: World) -> None:
    found = on_the_street(policy(tmp_path, {"speed_bands_kmh": "speed_bands_kmh = [30, 50, 70]"}), world)
    assert {f.severity for f in found} == {"warning"}
    assert [f.what.split(":")[0] for f in found] == [
        f"vehicle {way}, {band}"
        for way in ("approaching", "receding")
        for band in ("50 to 70 km/h", "70 km/h and more")
    ]
    assert "passages in an average window of 900 s" in found[0].what
    assert "k = 5 lets 1" in found[0].what
    assert "a window of" in found[0].todo


def test_classes_nobody_on_the_street_belongs_to_are_said_so(tmp_path: Path, world: World) -> None:
    found = on_the_street(policy(tmp_path, {"classes": 'classes = ["tram"]'}), world)
    assert len(found) == 4
    assert "nobody on the scenario's street is counted here" in found[0].what


def test_the_outlook_is_what_releasing_gives(world: World) -> None:
    found = read_policy(STREET).model
    street = Street.of(found, world)
    assert sum(row.mean for row in outlook(found, street)) == pytest.approx(
        street.counts[street.known].sum(axis=1).mean()
    )
