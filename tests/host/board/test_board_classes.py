"""Who counts whom: each road user belongs to one sensor of a board, and the node is told so."""

from collections.abc import Callable
from pathlib import Path

import pytest
from test_board_render import AUTHORITIES, NETWORK

from hadeda.board import load
from hadeda.board.problems import Problem
from hadeda.board.render import node_config
from hadeda.paths import BOARDS

CAMERA = "esp32-s3-devkitc-1-camera"
RADAR = """
[bus.uart2]
kind = "uart"
id = 2
tx = 4
rx = 5
baud = 115_200

[[sensor]]
part = "ld2451"
bus = "uart2"
period_s = 0
"""


@pytest.fixture
def camera_text() -> str:
    return (BOARDS / CAMERA / "board.toml").read_text(encoding="utf-8")


def counting(text: str, *classes: str) -> str:
    """The file with `classes` said for its last sensor."""
    return text + "classes = [" + ", ".join(f'"{name}"' for name in classes) + "]\n"


def test_a_camera_counts_what_it_can_tell_and_no_speeds() -> None:
    config = node_config(load(CAMERA), NETWORK, AUTHORITIES)
    assert config["cells"] == {
        "classes": ["person", "bicycle", "car", "bus", "truck"],
        "directions": ["approaching", "receding"],
        "speed_bands_kmh": [],
    }
    assert "classes" not in config["sensors"][1]


def test_a_camera_for_walkers_and_a_radar_for_vehicles(camera_text: str, tmp_path: Path) -> None:
    file = tmp_path / "board.toml"
    file.write_text(counting(camera_text, "person") + RADAR, encoding="utf-8")
    config = node_config(load(file), NETWORK, AUTHORITIES)
    assert config["cells"]["classes"] == ["person", "vehicle"]
    assert config["cells"]["speed_bands_kmh"] == [30, 50, 70]
    assert config["sensors"][1]["classes"] == ["person"]


def test_a_radar_and_a_camera_cannot_both_count_a_car(
    camera_text: str, broken: Callable[[str], tuple[Problem, ...]]
) -> None:
    (problem,) = broken(camera_text + RADAR)
    assert problem.table == "[[sensor]] 3"
    assert problem.key == "classes"
    assert "'vehicle' is already counted by [[sensor]] 2 (grove_vision), as 'bicycle'" in problem.what
    (problem,) = broken(counting(camera_text, "bicycle", "person") + RADAR)
    assert "as 'bicycle'" in problem.what


def test_a_sensor_counts_only_what_its_part_can_tell(
    camera_text: str, broken: Callable[[str], tuple[Problem, ...]]
) -> None:
    (problem,) = broken(counting(camera_text, "horse"))
    assert "cannot tell 'horse'" in problem.what
    assert "person, bicycle, car, bus, truck" in problem.todo
    assert broken(counting(camera_text))[0].key == "classes"
    (problem,) = broken(camera_text.replace('part = "bme280"', 'part = "bme280"\nclasses = ["car"]'))
    assert (problem.table, problem.key) == ("[[sensor]] 1", "classes")
