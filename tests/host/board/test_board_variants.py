"""Boards that inherit, a new board's start, and the check that says everything at once."""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hadeda.board import load, names
from hadeda.board.check import check
from hadeda.board.problems import Problem
from hadeda.board.start import write
from hadeda.cli.main import app
from hadeda.errors import BoardError
from hadeda.paths import BOARDS

Broken = Callable[[str], tuple[Problem, ...]]
RUN = CliRunner()
S3 = "esp32-s3-devkitc-1"
VARIANT = f'base = "{S3}"\nname = "mine"\n'


@pytest.fixture
def variant(tmp_path: Path) -> Path:
    file = tmp_path / "board.toml"
    file.write_text(VARIANT, encoding="utf-8")
    return file


def test_a_variant_is_its_base_but_for_what_it_says(variant: Path) -> None:
    variant.write_text(VARIANT + "[bus.uart1]\ntx = 1\n", encoding="utf-8")
    mine, base = load(variant), load(S3)
    assert (mine.name, mine.buses["uart1"].pins()) == ("mine", {"tx": (1, True), "rx": (18, False)})
    assert mine.model_copy(update={"name": S3, "buses": base.buses}) == base


def test_a_bus_of_the_base_that_nothing_uses_is_not_there(variant: Path) -> None:
    variant.write_text(VARIANT + '[[sensor]]\npart = "bme280"\nbus = "i2c0"\naddress = 0x77\nperiod_s = 30\n')
    assert list(load(variant).buses) == ["i2c0"]


def test_a_bus_that_the_variant_writes_must_be_used(broken: Broken) -> None:
    (problem,) = broken(
        VARIANT + "[bus.uart2]\nbaud = 115_200\n"
        '[[sensor]]\npart = "bme280"\nbus = "i2c0"\naddress = 0x76\nperiod_s = 10\n'
    )
    assert (problem.table, problem.what) == ("[bus.uart2]", "no sensor uses this bus")


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ('base = "esp32-s3-devkitc"\nname = "mine"\n', "base", "did you mean 'esp32-s3-devkitc-1'?"),
        ('base = "esp32-s3-devkitc-1-camera"\nname = "mine"\n', "base", "say 'esp32-s3-devkitc-1'"),
        ('base = 7\nname = "mine"\n', "base", "should be text"),
        (f'base = "{S3}"\n', "name", "a variant has a name of its own"),
    ],
)
def test_a_base_that_is_none(broken: Broken, text: str, key: str, words: str) -> None:
    (problem,) = broken(text)
    assert problem.key == key
    assert words in str(problem)


@pytest.mark.parametrize("base", names())
def test_a_new_board_starts_as_its_base(base: str, tmp_path: Path) -> None:
    file = write("mine", base, tmp_path)
    origin = tomllib.loads((BOARDS / base / "board.toml").read_text()).get("base", base)
    mine = load(file)
    assert mine.model_copy(update={"name": origin, "title": load(origin).title}) == load(origin)


@pytest.mark.parametrize("base", names())
def test_what_a_new_board_has_as_comments_is_right_as_it_stands(base: str, tmp_path: Path) -> None:
    file = write("mine", base, tmp_path)
    file.write_text(re.sub(r"^# (?=\[|\w+ = )", "", file.read_text(), flags=re.MULTILINE))
    expected = load(base)
    assert load(file).model_copy(update={"name": base, "title": expected.title}) == expected


def test_a_new_board_replaces_none(tmp_path: Path) -> None:
    write("mine", S3, tmp_path)
    with pytest.raises(BoardError, match="is there already"):
        write("mine", S3, tmp_path)


@pytest.mark.parametrize("name", ["Mine", "../mine", "mine-", ""])
def test_a_name_that_is_none(name: str, tmp_path: Path) -> None:
    result = RUN.invoke(app, ["board", "new", name, "--from", S3, "--in", str(tmp_path)])
    assert result.exit_code == 1
    assert "is no name for a board" in result.stderr
    assert not list(tmp_path.iterdir())


def test_check_says_what_has_no_shape_and_what_breaks_a_rule(tmp_path: Path, toml_text: str) -> None:
    file = tmp_path / "board.toml"
    changed = re.sub('url = ".*"', 'url = "nowhere"\nfoo = 1', toml_text).replace("tx = 17", "tx = 19")
    changed = changed.replace("period_s = 10", "period_s = -1", 1).replace("scl = 9", 'scl = 22\nmood = "good"')
    changed = changed.replace("period_s = 0 ", "period_s = 5 ")
    file.write_text(changed, encoding="utf-8")
    found = [(problem.table, problem.key) for problem in check(file)]
    assert sorted(found) == [
        ("", "foo"),
        ("", "url"),
        ("[[sensor]] 1", "period_s"),
        ("[[sensor]] 3", "period_s"),
        ("[bus.i2c0]", "mood"),
        ("[bus.i2c0]", "scl"),
        ("[bus.uart1]", "tx"),
    ]


def test_check_of_a_board_without_a_chip_says_that(tmp_path: Path, toml_text: str) -> None:
    file = tmp_path / "board.toml"
    file.write_text(toml_text.replace('chip = "esp32s3"\n', ""), encoding="utf-8")
    assert [(problem.key, problem.what) for problem in check(file)] == [("chip", "is missing")]


def test_check_command_of_all_boards_and_of_a_broken_one(tmp_path: Path) -> None:
    fine = RUN.invoke(app, ["board", "check", "--json"])
    assert fine.exit_code == 0, fine.stdout
    assert json.loads(fine.stdout) == {name: [] for name in names()}
    file = tmp_path / "board.toml"
    file.write_text(VARIANT + "[bus.uart1]\ntx = 19\nrx = 20\n", encoding="utf-8")
    result = RUN.invoke(app, ["board", "check", S3, str(file)])
    assert result.exit_code == 1
    assert result.stderr.count(f"{file}: [bus.uart1]") == 2
    assert f"{S3}: nothing is wrong" in result.stderr
