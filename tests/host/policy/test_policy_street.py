"""The true counts of the street under a policy."""

from pathlib import Path

import numpy as np
import pytest
from policy_texts import STREET, policy

from hadeda.policy import read_policy
from hadeda.policy.street import Street, cells_of
from hadeda.scenario import World


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=3)


def test_cells_are_in_the_reports_order(tmp_path: Path) -> None:
    found = policy(
        tmp_path, {"classes": 'classes = ["car", "bicycle"]', "speed_bands_kmh": "speed_bands_kmh = [20, 40]"}
    )
    names = [str(cell) for cell in cells_of(found.model)]
    assert len(names) == 12
    assert names[:4] == [
        "car approaching, below 20 km/h",
        "car approaching, 20 to 40 km/h",
        "car approaching, 40 km/h and more",
        "car receding, below 20 km/h",
    ]


def test_every_vehicle_of_the_street_is_in_one_cell(world: World) -> None:
    street = Street.of(read_policy(STREET).model, world)
    hour = int(world.start_s) + 8 * 3600
    window = (hour - street.start_s) // 900
    wanted = [p for p in world.passages(hour, hour + 900) if p.kind != "pedestrian"]
    assert street.counts[window].sum() == len(wanted) > 0
    assert street.counts[window, 0] == sum(p.direction == "approaching" and p.speed_kmh < 30 for p in wanted)


def test_unknown_hours_are_known_to_be_unknown(world: World) -> None:
    street = Street.of(read_policy(STREET).model, world)
    assert street.counts.shape == (28 * 96, 4)
    assert not street.known[:16].any()
    assert not street.counts[~street.known].any()


def test_longer_windows_lose_nobody(world: World) -> None:
    street = Street.of(read_policy(STREET).model, world)
    coarse = street.coarser(4)
    assert coarse.window_s == 3600
    assert np.array_equal(coarse.counts.sum(axis=0), street.counts.sum(axis=0))


def test_a_window_of_a_day_is_one_row_a_day(world: World, tmp_path: Path) -> None:
    street = Street.of(policy(tmp_path, {"seconds": "seconds = 86400"}).model, world)
    assert street.counts.shape == (28, 4)
    assert street.known.all()


def test_what_tells_no_direction_and_no_speed_counts_everybody_once(tmp_path: Path, world: World) -> None:
    lines = {"directions": 'directions = ["either"]', "speed_bands_kmh": "speed_bands_kmh = [30]"}
    hour = int(world.start_s) + 8 * 3600
    for cls, kinds in (("vehicle", ("car", "heavy", "bike")), ("presence", ("car", "heavy", "bike", "pedestrian"))):
        asked = policy(tmp_path, {**lines, "classes": f'classes = ["{cls}"]'}, "[presence]")
        street = Street.of(asked.model, world)
        wanted = sum(passage.kind in kinds for passage in world.passages(hour, hour + 900))
        assert list(street.counts[(hour - street.start_s) // 900]) == [wanted, 0]
