"""What the city still gets on the real month."""

import json
from pathlib import Path

import numpy as np
import pytest
from policy_texts import STREET, policy
from typer.testing import CliRunner

from hadeda.cli import policy as cli
from hadeda.policy import Policy, PolicyError, read_policy
from hadeda.policy.street import Street
from hadeda.policy.utility import ALL_CELLS, released, utility
from hadeda.scenario import World


@pytest.fixture(scope="module")
def street() -> Street:
    return Street.of(read_policy(STREET).model, World())


@pytest.fixture(scope="module")
def shipped() -> Policy:
    return read_policy(STREET).model


def test_released_counts_are_at_least_k(street: Street) -> None:
    out = released(street, 5, 500_000, np.random.default_rng(0))
    assert set(out[out < 5].tolist()) == {-1}


def test_more_epsilon_means_less_error_by_the_hour(shipped: Policy, street: Street) -> None:
    rows = {
        row.epsilon_micro: row for row in utility(shipped, street, [250_000, 1_000_000], 5) if row.cell == ALL_CELLS
    }
    coarse, fine = rows[250_000].error["hour"], rows[1_000_000].error["hour"]
    assert coarse is not None
    assert fine is not None
    assert coarse.median > fine.median > 0
    assert coarse.nine_in_ten > coarse.median


def test_noise_averages_out_over_a_week(shipped: Policy, street: Street) -> None:
    for row in utility(shipped, street, [500_000], 10):
        hour, week = row.error["hour"], row.error["week"]
        assert hour is not None
        assert week is not None
        assert week.median < hour.median
        assert week.median < 0.03


def test_what_the_threshold_takes_does_not_average_out(shipped: Policy, street: Street) -> None:
    for row in utility(shipped, street, [1_000_000], 10):
        hour, week = row.error["hour"], row.error["week"]
        assert hour is not None
        assert week is not None
        assert week.noise_alone < hour.noise_alone / 3
        assert week.median > 2 * week.noise_alone


def test_without_a_threshold_the_two_are_one(tmp_path: Path, street: Street) -> None:
    busy = Street(street.start_s, street.window_s, street.cells, street.counts + 100, street.known)
    for row in utility(policy(tmp_path, {"k = ": "k = 1"}).model, busy, [500_000], 3):
        for error in row.error.values():
            assert error is not None
            assert error.median == error.noise_alone


def test_without_noise_or_threshold_nothing_is_lost(tmp_path: Path, street: Street) -> None:
    plain = policy(tmp_path, {"k = ": "k = 1"}).model
    for row in utility(plain, street, [10_000_000], 3):
        week = row.error["week"]
        assert week is not None
        assert week.median == pytest.approx(0, abs=0.001)


def test_an_hour_means_nothing_under_longer_windows(tmp_path: Path) -> None:
    long = policy(tmp_path, {"seconds": "seconds = 7200"}).model
    row = utility(long, Street.of(long, World()), [500_000], 1)[0]
    assert row.error["hour"] is None
    assert row.error["day"] is not None


def test_the_command_answers_with_table_json_and_picture(tmp_path: Path) -> None:
    base = ["utility", str(STREET), "--seeds", "3", "--picture", str(tmp_path / "u.svg")]
    done = CliRunner().invoke(cli.app, [*base, "--epsilon", "0.5", "--epsilon", "1", "--json"])
    answer = json.loads(done.stdout)
    assert [row["epsilon"] for row in answer["rows"]] == ["0.5"] * 5 + ["1"] * 5
    for row in answer["rows"]:
        assert set(row["error"]) == {"hour", "day", "week"}
        assert 0 <= row["error"]["week"]["noise_alone"] < row["error"]["hour"]["nine_in_ten"] <= 1
    assert answer["sampler"].startswith("numpy")
    assert (tmp_path / "u.svg").stat().st_size > 1000
    table = CliRunner().invoke(cli.app, base)
    assert ALL_CELLS in table.stdout
    assert "discrete Laplace in double precision" in table.stderr


@pytest.mark.parametrize("epsilon", ["0", "-1", "nan", "inf", "11", "1e-9", "much"])
def test_an_epsilon_that_cannot_be_is_one_clear_line(epsilon: str) -> None:
    done = CliRunner().invoke(cli.app, ["utility", str(STREET), f"--epsilon={epsilon}"])
    assert done.exit_code == 1
    assert isinstance(done.exception, PolicyError)
