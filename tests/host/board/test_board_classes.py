"""Who counts whom: each road user belongs to one sensor of a board, and the node is told so."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sealing import dumps, policy_map
from test_board_render import AUTHORITIES, FLOOR, NETWORK, POLICY

from hadeda.board import load
from hadeda.board.fitness import shortfalls
from hadeda.board.problems import Problem
from hadeda.board.render import node_config
from hadeda.paths import BOARDS
from hadeda.policy import Compiled, PolicyError, decompile

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


def policy(classes: list[str], edges: tuple[int, ...] = (30, 50, 70), **changes: object) -> Compiled:
    """A policy with these classes and speed bands."""
    cells = {1: classes, 2: ["approaching", "receding"], 3: list(edges)}
    return decompile(dumps(policy_map(bytes(32), p5=cells, **changes)))


@pytest.fixture
def camera_text() -> str:
    return (BOARDS / CAMERA / "board.toml").read_text(encoding="utf-8")


def counting(text: str, *classes: str) -> str:
    """The file with `classes` said for its last sensor."""
    return text + "classes = [" + ", ".join(f'"{name}"' for name in classes) + "]\n"


def test_a_camera_counts_what_it_can_tell_and_no_speeds() -> None:
    config = node_config(load(CAMERA), NETWORK, AUTHORITIES, POLICY, FLOOR)
    assert "classes" not in config["sensors"][1]
    said = " ".join(shortfalls(load(CAMERA), policy(["car"])))
    for name in ("person", "bicycle", "bus", "truck"):
        assert f"no cell for '{name}'" in said
    assert "the Grove Vision AI V2 measures no speeds" in said


def test_a_camera_for_walkers_and_a_radar_for_vehicles(camera_text: str, tmp_path: Path) -> None:
    file = tmp_path / "board.toml"
    file.write_text(counting(camera_text, "person") + RADAR, encoding="utf-8")
    config = node_config(load(file), NETWORK, AUTHORITIES, POLICY, FLOOR)
    said = shortfalls(load(file), policy(["person", "vehicle"], p11=[2]))
    assert not [line for line in said if "no cell" in line or "counts '" in line or "no camera" in line]
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


def test_what_a_board_cannot_deliver_of_a_policy_is_said() -> None:
    said = shortfalls(load("esp32-devkitc-v4"), policy(["vehicle", "person"], (3, 30, 280)))
    assert said == [
        "no sensor of esp32-devkitc-v4 counts 'person': its cells stay withheld",
        "the HLK-LD2451 measures 5 to 250 km/h: its band 0 to 3 km/h stays empty",
        "the HLK-LD2451 measures 5 to 250 km/h: its band 280 km/h and more stays empty",
    ]
    said = shortfalls(load(CAMERA), policy(["car"], ()))
    assert "the policy allows no camera: the grove_vision stays unused" in said
    assert any("measures pm2_5: it will not be in the reports" in line for line in said)


def test_a_policy_of_which_a_board_can_deliver_nothing_is_an_error() -> None:
    with pytest.raises(PolicyError, match="allows nothing that esp32-s3-devkitc-1-camera can sense"):
        shortfalls(load(CAMERA), policy(["vehicle"], p4=[4, 5, 6]))


def test_footfall_takes_a_part_that_listens_and_a_policy_that_lets_it(camera_text: str, tmp_path: Path) -> None:
    said = shortfalls(load("esp32-devkitc-v4"), policy(["vehicle"], p10={1: 5, 2: 500_000}, p11=[1]))
    assert said == ["no part of esp32-devkitc-v4 hears devices: there will be no footfall"]
    file = tmp_path / "board.toml"
    file.write_text(camera_text + '\n[[sensor]]\npart = "ble_footfall"\nperiod_s = 0\n', encoding="utf-8")
    assert "the policy allows no footfall: the ble_footfall stays unused" in shortfalls(load(file), policy(["car"]))


LOOP = "esp32-devkitc-v4-loop"


def test_a_contact_tells_no_direction_and_a_policy_needs_one_for_it() -> None:
    said = shortfalls(load(LOOP), policy(["vehicle"]))
    assert said[-2:] == [
        "the TD136 loop detector counts either, and the policy has cells for approaching, receding only: "
        "what it counts is dropped",
        "the TD136 loop detector measures no speeds: all it counts is in the lowest band, below 30 km/h",
    ]
    cells = {1: ["vehicle"], 2: ["either"], 3: []}
    said = shortfalls(load(LOOP), decompile(dumps(policy_map(bytes(32), p4=[1, 2, 3], p5=cells))))
    assert said == []


def test_a_motion_detector_counts_only_where_the_policy_has_presence(tmp_path: Path) -> None:
    text = (BOARDS / LOOP / "board.toml").read_text(encoding="utf-8")
    file = tmp_path / "board.toml"
    file.write_text(text.replace('part = "td136"', 'part = "hc_sr501"'), encoding="utf-8")
    assert "classes" not in node_config(load(file), NETWORK, AUTHORITIES, POLICY, FLOOR)["sensors"][1]
    cells = {1: ["presence"], 2: ["either"], 3: []}
    unused = "the policy allows no presence input: the hc_sr501 stays unused"
    assert unused in shortfalls(load(file), decompile(dumps(policy_map(bytes(32), p5=cells))))
    assert unused not in shortfalls(load(file), decompile(dumps(policy_map(bytes(32), p5=cells, p11=[3]))))
    with pytest.raises(PolicyError, match="it counts presence"):
        shortfalls(load(file), policy(["vehicle"], p4=[7]))
