"""A board gets the drivers of its own parts, with what they import, and nobody else's."""

from __future__ import annotations

import pytest

from hadeda.board import load, load_parts, names
from hadeda.provision.shipment import shipment

BASE = "esp32-s3-devkitc-1"


def drivers_of(name: str) -> set[str]:
    return {path.removesuffix(".mpy") for path in shipment(load(name)) if path.startswith("/lib/sensors/")}


@pytest.mark.parametrize("name", names())
def test_a_board_gets_the_drivers_of_its_parts_and_of_no_others(name: str) -> None:
    parts = {sensor.part for sensor in load(name).sensors}
    sent = {path.rsplit("/", 1)[1] for path in drivers_of(name)}
    assert parts <= sent
    assert not sent & (set(load_parts()) - parts)


def test_what_drivers_share_comes_with_them() -> None:
    air = drivers_of("esp32-c6-devkitc-1-air")
    assert {"/lib/sensors/periodic", "/lib/sensors/sensirion"} <= air
    assert "/lib/sensors/vehicle_tracks" in drivers_of(BASE)
    assert "/lib/sensors/box_tracks" not in drivers_of(BASE)


def test_somebody_elses_driver_comes_where_ours_needs_it() -> None:
    board = load(BASE)
    without = board.model_copy(update={"sensors": [sensor for sensor in board.sensors if sensor.part != "bme280"]})
    assert any("adafruit" in path for path in shipment(board))
    assert not any("adafruit" in path for path in shipment(without))


def test_all_else_is_the_same_on_every_board_and_comes_in_the_same_order() -> None:
    every = [path for path in shipment() if "/sensors/" not in path and "adafruit" not in path]
    ours = [path for path in shipment(load(BASE)) if "/sensors/" not in path and "adafruit" not in path]
    assert ours == every
    assert list(shipment(load(BASE)))[-2:] == ["/boot.py", "/main.py"]
