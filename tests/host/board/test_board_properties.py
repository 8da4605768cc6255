"""Properties of the schema and the pin rules, for every place of the file and every pin of the chips."""

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hadeda.board import Board, load_parts, rules
from hadeda.board.chips import CHIPS
from hadeda.board.problems import FileError, validated, where
from hadeda.paths import BOARDS

FILE = BOARDS / "esp32-s3-devkitc-1" / "board.toml"
CONTENT = tomllib.loads(FILE.read_text(encoding="utf-8"))
Path_ = tuple[str | int, ...]


def _places(value: Any, path: Path_ = ()) -> list[Path_]:
    """Every key and every element of the file."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [path] if path else []
    return found + [place for step, below in inner for place in _places(below, (*path, step))]


def _changed(path: Path_, value: Any) -> dict[str, Any]:
    content = copy.deepcopy(CONTENT)
    at: Any = content
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return content


def _tables() -> list[Path_]:
    """Every table with a fixed set of keys."""
    free = {("headers",), ("onboard",), ("bus",), ("sensor",)}
    return [path for path in [(), *_places(CONTENT)] if path not in free and isinstance(_at(path), dict)]


def _at(path: Path_) -> Any:
    at: Any = CONTENT
    for step in path:
        at = at[step]
    return at


@pytest.mark.parametrize("path", _places(CONTENT), ids=lambda path: ".".join(map(str, path)))
def test_a_value_of_no_possible_type_is_reported_at_its_place(path: Path_) -> None:
    with pytest.raises(FileError) as caught:
        validated(Board, _changed(path, tomllib.loads("x = 07:32:00")["x"]), FILE)
    assert [(problem.table, problem.key) for problem in caught.value.problems] == [where(path)]


@given(table=st.sampled_from(_tables()), key=st.from_regex(r"[a-z_]{1,12}", fullmatch=True), value=st.integers())
@settings(deadline=None, max_examples=60)
def test_an_unknown_key_is_an_error_in_every_table(table: Path_, key: str, value: int) -> None:
    path = (*table, f"not_{key}")
    with pytest.raises(FileError) as caught:
        validated(Board, _changed(path, value), FILE)
    problems = caught.value.problems
    assert [(problem.table, problem.key) for problem in problems] == [where(path)]
    assert problems[0].what == "unknown key"


TOML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(path=st.sampled_from(_places(CONTENT)), value=TOML_VALUES)
@settings(deadline=None, max_examples=200)
def test_anything_in_a_file_is_a_board_or_reported(path: Path_, value: Any) -> None:
    try:
        board = validated(Board, _changed(path, value), FILE)
        problems = rules.problems(board, load_parts())
    except FileError as error:
        problems = list(error.problems)
        if not problems:
            raise
    assert all(problem.what for problem in problems)


@given(chip=st.sampled_from(sorted(CHIPS)), tx=st.integers(0, 60), rx=st.integers(0, 60))
@settings(deadline=None, max_examples=200)
def test_a_pin_is_refused_exactly_where_the_chip_or_another_pin_says_so(chip: str, tx: int, rx: int) -> None:
    content = copy.deepcopy(CONTENT) | {"chip": chip}
    del content["headers"], content["onboard"]
    content["micropython"]["image"] = CHIPS[chip].image
    scl, sda, tx2, rx2 = CHIPS[chip].free()[:4]
    content["bus"]["i2c0"] |= {"scl": scl, "sda": sda}
    content["bus"]["uart2"] |= {"tx": tx2, "rx": rx2}
    content["bus"]["uart1"] |= {"tx": tx, "rx": rx}
    found = rules.problems(validated(Board, content, Path("board.toml")), load_parts())
    found = [problem for problem in found if problem.key != "id"]  # not every chip has a third UART
    others = {scl, sda, tx2, rx2}
    tx_bad = bool(CHIPS[chip].why_not(tx, drives=True)) or tx in others
    rx_bad = bool(CHIPS[chip].why_not(rx, drives=False)) or rx in others | {tx}
    refused = {problem.key for problem in found if problem.table == "[bus.uart1]"}
    taken = {problem.key for problem in found if problem.table == "[bus.uart2]"}  # comes after uart1 in the file
    assert refused == {key for key, bad in (("tx", tx_bad and tx not in {tx2, rx2}),
                                           ("rx", rx_bad and rx not in {tx2, rx2}))
                       if bad} | ({"rx"} if tx == rx else set())  # fmt: skip
    assert taken == {key for key, pin in (("tx", tx2), ("rx", rx2)) if pin in {tx, rx}}


@pytest.mark.parametrize("chip", CHIPS.values(), ids=lambda chip: chip.name)
def test_a_chips_table_speaks_only_of_pins_it_has(chip: Any) -> None:
    assert chip.input_only <= chip.pins
    assert set(chip.reserved) <= chip.pins
    assert set(chip.strapping) <= chip.pins
    assert chip.wakes <= chip.pins
    assert not set(chip.strapping) & set(chip.reserved)
    assert set(chip.free()) == set(chip.free(drives=False)) - chip.input_only


def test_esp32_pins_are_those_a_stock_image_accepts() -> None:
    """Pins that exist and input-only pins as recorded from stock MicroPython on an ESP32."""
    assert sorted(CHIPS["esp32"].pins) == [*range(24), 25, 26, 27, *range(32, 40)]
    assert sorted(CHIPS["esp32"].input_only) == [*range(34, 40)]
