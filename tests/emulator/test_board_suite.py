"""`pytest tests/board --port PORT` against a board on a serial port, as `./run test --port` calls it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lamp_post import PluggedIn, Template

from hadeda.paths import ROOT


def suite(port: str, board: str, only: str = "") -> subprocess.CompletedProcess[str]:
    """What the suite says, or those of its tests that `only` names."""
    command = [sys.executable, "-m", "pytest", "tests/board", "-p", "no:cacheprovider", "--port", port]
    return subprocess.run(
        [*command, "--board", board, "-k", only], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_bare_board_is_asked_and_its_name_and_figures_are_said(template: Template, tmp_path: Path) -> None:
    with PluggedIn(template.board, tmp_path / "flash.bin") as plugged:
        done = suite(plugged.port, template.board.name, "node_code or replaces or exec_prints or power_cycle")
    assert done.returncode == 0, done.stdout
    assert "board: " in done.stdout
    assert "with ESP32S3, MicroPython" in done.stdout
    assert "sealed on the board, in bytecode, ms: " in done.stdout
    assert "needs an emulated board: run without --port" in done.stdout


@pytest.mark.parametrize(
    ("board", "flash", "says"),
    [
        ("esp32-devkitc-v4", None, "name the right board"),
        ("esp32-s3-devkitc-1", "flash", "has a main.py: erase it first"),
    ],
)
def test_another_board_and_one_that_is_a_node_are_left_alone(
    template: Template, tmp_path: Path, board: str, flash: str | None, says: str
) -> None:
    if flash:
        shutil.copyfile(template.flash, tmp_path / "flash.bin")
    with PluggedIn(template.board, tmp_path / "flash.bin") as plugged:
        before = plugged.changes
        done = suite(plugged.port, board, "mpremote")
        assert plugged.changes == before
    assert done.returncode == 1
    assert says in done.stdout + done.stderr
    assert "passed" not in done.stdout
