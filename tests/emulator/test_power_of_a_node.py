"""`hadeda board power`: an emulated node lives under the policy, and its times are what its radio and program did."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hadeda.board import load
from hadeda.cli.main import app
from hadeda.paths import ROOT
from hadeda.policy.files import read_policy
from hadeda.power.budget import TYPICAL
from hadeda.power.measure import measure

RUN = CliRunner()
STREET = ROOT / "policies" / "street.toml"
C3 = "esp32-c3-devkitm-1"


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    """The street's policy with windows of five minutes."""
    file = tmp_path / "quick.toml"
    text = STREET.read_text(encoding="utf-8").replace("seconds = 900", "seconds = 300")
    file.write_text(text.replace("epsilon_per_release = 0.5", "epsilon_per_release = 0.25"), encoding="utf-8")
    return file


def test_a_node_opens_its_radio_once_a_window_and_for_seconds_only(quick: Path) -> None:
    board, policy = load(C3), read_policy(quick)
    awake = measure(board, policy, 3, 1, lambda _us: None)
    assert (awake.window_s, awake.seconds, awake.sessions) == (300, 900, 3)
    assert 1.5 * 3 <= awake.radio_s < 5 * 3  # joining the network takes one and a half seconds of each
    assert 3 * 200 < awake.sent_bytes < 3 * 2000  # a report in each, and what MQTT takes
    assert 100 < awake.wakes < 100_000
    assert measure(board, policy, 3, 1, lambda _us: None) == awake  # the same seed, the same day


def test_the_boards_pages_have_the_times_of_the_street() -> None:
    seen = measure(load(C3), read_policy(STREET), 4, 1, lambda _us: None)
    assert (seen.seconds, seen.window_s, seen.sessions) == (TYPICAL.seconds, TYPICAL.window_s, TYPICAL.sessions)
    assert seen.radio_s == pytest.approx(TYPICAL.radio_s, rel=0.2)
    assert seen.sent_bytes == pytest.approx(TYPICAL.sent_bytes, rel=0.2)
    assert seen.wakes == pytest.approx(TYPICAL.wakes, rel=0.2)


def test_the_command_says_all_and_draws_it(quick: Path, tmp_path: Path) -> None:
    picture = tmp_path / "day.svg"
    command = ["board", "power", C3, "--policy", str(quick), "--windows", "1", "--picture", str(picture)]
    shown = RUN.invoke(app, command)
    assert shown.exit_code == 0, shown.output
    for words in (
        "always on",
        "deep sleep, a sample every 60 s, without HLK-LD2451",
        "mAh a day",
        "Nothing of it was measured on silicon",
    ):
        assert words in shown.stdout
    assert picture.stat().st_size > 5000
    data = json.loads(RUN.invoke(app, [*command, "--json"]).stdout)
    assert data["budgets"][0]["mah_a_day"] > data["budgets"][1]["mah_a_day"] > data["budgets"][2]["mah_a_day"]
    assert data["measured"]["sessions"] == 1


def test_a_policy_of_which_the_board_can_deliver_nothing_is_told(tmp_path: Path) -> None:
    file = tmp_path / "never.toml"
    text = STREET.read_text(encoding="utf-8").replace('classes = ["vehicle"]', 'classes = ["person"]')
    channels = 'channels = ["temperature", "relative_humidity", "pressure", "pm1_0", "pm2_5", "pm10"]'
    file.write_text(text.replace(channels, 'channels = ["pm2_5"]'), encoding="utf-8")
    result = RUN.invoke(app, ["board", "power", C3, "--policy", str(file)])
    assert result.exit_code == 1
    assert "allows nothing that esp32-c3-devkitm-1 can sense" in result.stderr
