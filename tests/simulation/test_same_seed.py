"""The same seed gives the same bytes, from the city's keys to the flash; another seed gives others."""

from __future__ import annotations

from typing import Any

import pytest

from hadeda.board import load
from hadeda.simulate.run import simulate
from hadeda.simulate.street import Wanted
from hadeda.simulate.windows import Windows

QUARTER_US = 900_000_000


def figures_of(seed: int, jobs: int) -> dict[str, Any]:
    """A whole simulation of two boards, provisioning included."""
    passed: list[int] = []
    wanted = Wanted(load("esp32-s3-devkitc-1"), 2, 2 * QUARTER_US, seed, "none")
    figures = simulate(wanted, lambda _: None, passed.append, jobs).figures
    assert sum(passed) == 2 * wanted.length_us
    return {name: value for name, value in figures.items() if not name.endswith("_s")}


def test_whether_a_board_is_left_alone_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = figures_of(7, 1)
    monkeypatch.setattr(Windows, "ends_us", 0)
    watched = figures_of(7, 1)
    # The digest may differ: what a board says of its heap depends on what lies on its interpreter's C stack
    assert {**watched, "digest": ""} == {**alone, "digest": ""}


def test_the_digest_is_the_seeds_on_however_many_cores() -> None:
    first, second, other = figures_of(7, 1), figures_of(7, 2), figures_of(8, 2)
    assert first["violations"] == []
    assert first["stored"] == 2 * 2
    assert first["windows_expected"] == first["stored"] + first["gaps"] + first["open_at_power_cut"]
    assert second == first
    assert other["digest"] != first["digest"]
