"""`identity = "atecc608"`: what a board needs for it, and where it shows."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hadeda.board import BoardError, board_file, load, load_parts
from hadeda.board.check import check
from hadeda.board.page import page
from hadeda.board.schema import Sensor
from hadeda.cli.main import app
from hadeda.power.budget import TYPICAL, budgets
from hadeda.provision.shipment import shipment

BASE, ELEMENT = "esp32-c6-devkitc-1", "esp32-c6-devkitc-1-element"
VARIANT = f'base = "{BASE}"\nname = "mine"\nidentity = "atecc608"\n'
ON_0X60 = '[[sensor]]\npart = "{}"\nbus = "i2c0"\naddress = 0x60\nperiod_s = 10\n'
RADAR = '[[sensor]]\npart = "ld2451"\nbus = "uart1"\nperiod_s = 0\n'


def problems(tmp_path: Path, text: str) -> list[str]:
    """Everything that is wrong, in words."""
    file = tmp_path / "board.toml"
    file.write_text(text, encoding="utf-8")
    return [str(problem) for problem in check(file)]


def test_a_key_is_in_flash_where_nothing_is_said() -> None:
    board = load(BASE)
    assert (board.identity, board.element, board.wired) == ("flash", None, board.sensors)


def test_the_chip_is_on_the_first_i2c_bus_beside_the_sensors() -> None:
    board = load(ELEMENT)
    assert board.element == Sensor(part="atecc608", bus="i2c0", address=0x60, period_s=0)
    assert board.sensors == load(BASE).sensors


def test_a_variant_may_have_its_bus_for_the_chip_alone(tmp_path: Path) -> None:
    assert problems(tmp_path, VARIANT + RADAR) == []
    board = load(tmp_path / "board.toml")
    assert list(board.buses) == ["i2c0", "uart1"]
    assert problems(tmp_path, VARIANT.replace("atecc608", "flash") + RADAR) == []
    assert list(load(tmp_path / "board.toml").buses) == ["uart1"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (VARIANT.replace("atecc608", "atecc508"), "identity: should be 'flash' or 'atecc608'"),
        (VARIANT + "[bus.i2c0]\nfreq_hz = 400_000\n", "freq_hz: 400000 is more than ATECC608 allows"),
        (VARIANT + RADAR + ON_0X60.format("atecc608"), "part: the ATECC608 measures nothing"),
        (VARIANT + ON_0X60.format("scd41"), "address: 0x60 on 'i2c0' belongs to the ATECC608"),
    ],
)
def test_what_cannot_be_is_named(tmp_path: Path, text: str, words: str) -> None:
    found = problems(tmp_path, text)
    assert [each for each in found if words in each], found


def test_a_board_without_i2c_has_no_place_for_it(tmp_path: Path) -> None:
    text = board_file(BASE).read_text(encoding="utf-8").replace("flash_mb", 'identity = "atecc608"\nflash_mb', 1)
    tables = re.split(r"\n(?=\[)", text)
    found = problems(tmp_path, "\n".join(table for table in tables if "i2c" not in table))
    assert found == ["identity: the ATECC608 is on I2C, and the board has no such bus; add one, or say flash"]


def test_it_is_on_the_page_in_the_words_of_show_and_in_the_budgets() -> None:
    board, parts = load(ELEMENT), load_parts()
    text = page(board, parts)
    assert "i2c0 scl: BME280, ATECC608" in text
    assert "## Wiring: ATECC608" in text
    assert "It has the node's identity key" in text
    assert "| ATECC608 | 3V3 | 0.4 | 14 |" in text
    assert "ATECC608" not in text.split("## What it measures")[1].split("## Headers")[0]
    shown = CliRunner().invoke(app, ["board", "show", ELEMENT])
    assert "Identity key in an ATECC608 on i2c0, 0x60" in shown.stdout
    assert "Identity key in the flash" in CliRunner().invoke(app, ["board", "show", BASE]).stdout
    assert json.loads(CliRunner().invoke(app, ["board", "show", ELEMENT, "--json"]).stdout)["identity"] == "atecc608"
    named = {line.what for budget in budgets(board, parts, TYPICAL) for line in budget.lines}
    assert "ATECC608" in named


def test_its_code_goes_to_no_other_board() -> None:
    others = shipment(load(BASE))
    mine = {path: code for path, code in shipment(load(ELEMENT)).items() if path not in others}
    assert {"/lib/elements/atecc608.mpy", "/lib/elements/signer.mpy", "/lib/ports/element.mpy"} <= set(mine)
    assert sum(map(len, mine.values())) < 8192


def test_a_board_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    file = tmp_path / "board.toml"
    file.write_text(VARIANT.replace('"atecc608"', "true"), encoding="utf-8")
    with pytest.raises(BoardError, match="identity"):
        load(file)
