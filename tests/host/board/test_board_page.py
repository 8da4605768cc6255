"""The page of a board is generated: it is never stale, and says what somebody with a soldering iron needs."""

import re
from pathlib import Path

import pytest

from hadeda.board import load, load_parts, names
from hadeda.board.page import is_stale, page


@pytest.mark.parametrize("name", names())
def test_the_page_on_disk_is_the_generated_one(name: str) -> None:
    assert not is_stale(name), "run `hadeda board page`"


@pytest.mark.parametrize("name", names())
def test_the_page_has_every_pin_every_part_and_every_budget(name: str) -> None:
    board, parts = load(name), load_parts()
    text = page(board, parts)
    assert board.micropython.image in text
    for bus in board.buses.values():
        for pin, _drives in bus.pins().values():
            assert f"GPIO{pin} ({board.header_of(pin)})" in text
    for sensor in board.sensors:
        part = parts[sensor.part]
        assert f"## Wiring: {part.title}" in text
        assert all(wire.pin in text for wire in part.wiring)
        assert all(channel.accuracy in text for channel in part.channel)
    assert f"| outbox | {board.budgets.outbox_kb} KB |" in text


def test_the_wires_of_a_uart_cross_over() -> None:
    text = page(load("esp32-s3-devkitc-1"), load_parts())
    lines = [line.split("─")[0].strip() + " -> " + line.split("─")[-1].strip() for line in text.splitlines()]
    assert "GPIO17 (J1-10) -> 4 RX" in lines
    assert "GPIO18 (J1-11) -> 5 TX" in lines


def test_the_address_pin_follows_the_address(tmp_path: Path, toml_text: str) -> None:
    file = tmp_path / "board.toml"
    file.write_text(toml_text.replace("0x76", "0x77"), encoding="utf-8")
    text = page(load(file), load_parts())
    assert any(line.startswith("3V3 ") and line.endswith(" SDO") for line in text.splitlines())


def test_a_board_without_headers_has_a_page_without_the_picture(tmp_path: Path, toml_text: str) -> None:
    start, end = toml_text.index("[headers]"), toml_text.index("[onboard]")
    file = tmp_path / "board.toml"
    file.write_text(toml_text[:start] + toml_text[end:], encoding="utf-8")
    text = page(load(file), load_parts())
    assert "## Headers" not in text
    assert "## Wiring: BME280" in text


@pytest.mark.parametrize("name", names())
def test_the_page_says_where_the_keys_are_and_its_table_fills_the_flash(name: str) -> None:
    board = load(name)
    text = page(board, load_parts())
    lines = re.findall(r"^(\w+), (?:app|data), 0x\w+, 0x(\w+), 0x(\w+)$", text, re.MULTILINE)
    table = {label: (int(address, 16), int(size, 16)) for label, address, size in lines}
    rows = sorted(table.values())
    assert table["node_keys"] == (board.flash_mb * 0x100000 - 0x2000, 0x2000)
    assert [address + size for address, size in rows] == [address for address, _ in rows[1:]] + [board.flash_mb << 20]


def test_the_page_says_where_the_led_is() -> None:
    assert "| GPIO38 | J3-10 | LED (one WS2812) | neopixel |" in page(load("esp32-s3-devkitc-1"), load_parts())
