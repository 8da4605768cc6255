"""A board's LED may be where its maker has put it, even on a pin that no bus may take."""

from pathlib import Path
from typing import Any

from hadeda.board import load, load_parts, rules
from hadeda.board.problems import validated
from hadeda.board.schema import Board


def problems(content: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in rules.problems(validated(Board, content, Path("board.toml")), load_parts())]


def test_the_boards_own_led_may_be_on_a_strapping_pin(content: dict[str, Any]) -> None:
    content["onboard"]["46"] = "LED"
    content["led"] = {"kind": "gpio", "pin": 46}
    assert not problems(content)


def test_a_soldered_led_takes_a_pin_of_a_header(content: dict[str, Any]) -> None:
    content["led"] = {"kind": "gpio", "pin": 6}
    assert not problems(content)


def test_a_board_needs_no_led() -> None:
    assert load("esp32-devkitc-v4").led is None
