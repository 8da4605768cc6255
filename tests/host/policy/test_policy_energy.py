"""Energy in policy and floor files: a table of its own, never by default, and no finer than the floor says."""

from pathlib import Path

import pytest
from policy_texts import FLOOR, policy, written

from hadeda.policy import Floor, PolicyFileError, read_floor
from hadeda.policy.explain import leaves
from hadeda.policy.files import Read
from hadeda.policy.floors import loosened
from hadeda.policy.lint import lint

HOURLY = {"seconds": "seconds = 3600", "epsilon_per_day": "epsilon_per_day = 12.0"}
COARSE = "[energy]\nmin_seconds = 3600\nmin_step_wh = 100"


def floor(folder: Path, more: str = COARSE) -> Read[Floor]:
    (folder / "floor").mkdir(exist_ok=True)
    return read_floor(written(folder / "floor", more=more, source=FLOOR))


def errors(folder: Path, changes: dict[str, str], given: Read[Floor]) -> list[str]:
    found = lint(policy(folder, changes, more="[energy]"), given)
    return [f"{finding.table} {finding.key}: {finding.what}" for finding in found if finding.severity == "error"]


def test_the_shipped_floor_has_none(tmp_path: Path) -> None:
    (said,) = errors(tmp_path, HOURLY, read_floor(FLOOR))
    assert "energy is never allowed by the floor; a node refuses it whoever signed it" in said


def test_a_floor_that_forbids_the_channel_forbids_it_whatever_else_it_says(tmp_path: Path) -> None:
    changed = written(tmp_path, {"channels": 'channels = ["energy"]'}, COARSE, FLOOR)
    (tmp_path / "own").mkdir()
    (said,) = errors(tmp_path / "own", HOURLY, read_floor(changed))
    assert "energy is never allowed" in said


def test_windows_are_as_long_as_the_floor_wants(tmp_path: Path) -> None:
    assert errors(tmp_path, HOURLY, floor(tmp_path)) == []
    (said,) = errors(tmp_path, {}, floor(tmp_path))
    assert said.startswith("[window] seconds: 900 s is below the 3600 s that the floor wants for energy")


def test_it_is_not_of_the_air(tmp_path: Path) -> None:
    with pytest.raises(PolicyFileError, match=r"not of the air: it has a table of its own, \[energy\]"):
        policy(tmp_path, {"channels": 'channels = ["energy"]'})


@pytest.mark.parametrize(
    "more",
    [
        "[energy]\nmin_seconds = 3599\nmin_step_wh = 100",
        "[energy]\nmin_seconds = 3600\nmin_step_wh = 99",
        "[energy]\nmin_seconds = 86401\nmin_step_wh = 100",
        "[energy]\nmin_seconds = 3600",
        "[energy]",
    ],
)
def test_no_floor_is_finer_than_an_hour_and_a_hundred_watt_hours(tmp_path: Path, more: str) -> None:
    with pytest.raises(PolicyFileError):
        floor(tmp_path, more)


def test_what_makes_a_floor_looser_is_said(tmp_path: Path) -> None:
    none = read_floor(FLOOR).model
    coarse = floor(tmp_path, COARSE.replace("3600", "7200").replace("100", "500")).model
    fine = floor(tmp_path).model
    assert loosened(coarse, none) == ["energy, which was never allowed"]
    assert loosened(fine, coarse) == ["energy's window from 7200 down to 3600", "energy's step from 500 down to 100"]
    assert loosened(none, fine) == loosened(coarse, fine) == loosened(fine, fine) == []


def test_a_citizen_is_told(tmp_path: Path) -> None:
    (said,) = [line for line in leaves(policy(tmp_path, HOURLY, more="[energy]").model) if "energy that" in line]
    assert said.startswith("every hour, the energy that one metered circuit used: one number in whole steps")
    assert not [line for line in leaves(policy(tmp_path, HOURLY).model) if "energy that" in line]
