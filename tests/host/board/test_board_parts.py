"""`part = "x"` finds three things: a row in parts.toml, a driver, a chip model. None may be missing."""

import re
from pathlib import Path
from typing import get_args

import pytest

from hadeda.board import BoardError, load, load_parts, names
from hadeda.board.fitness import CAMERAS
from hadeda.board.parts import PARTS
from hadeda.board.rules import problems
from hadeda.board.schema import ELEMENTS, Board, DeepSleep
from hadeda.envelope import labels
from hadeda.paths import FIRMWARE, ROOT

CHIP_MODELS = ROOT / "host_tools" / "hadeda" / "emulator" / "chips"


def _used() -> list[str]:
    return sorted({sensor.part for name in names() for sensor in load(name).sensors} | set(load_parts()))


def _drivers(part: str) -> str:
    row = load_parts().get(part)
    return "elements" if row is not None and row.kind == "identity" else "sensors"


def test_secure_elements_are_the_parts_that_keep_an_identity() -> None:
    rows = {name: row.address[0].value for name, row in load_parts().items() if row.kind == "identity"}
    assert rows == ELEMENTS
    assert set(get_args(Board.model_fields["identity"].annotation)) == {"flash", *ELEMENTS}


@pytest.mark.parametrize("part", _used())
def test_a_part_has_a_driver_a_chip_model_and_a_row(part: str) -> None:
    found = {
        "row in boards/parts.toml": part in load_parts(),
        "driver": (FIRMWARE / _drivers(part) / f"{part}.py").is_file(),
        "chip model": (CHIP_MODELS / f"{part}.py").is_file(),
    }
    assert all(found.values()), [what for what, there in found.items() if not there]


def test_every_chip_model_has_a_row() -> None:
    models = {file.stem for file in CHIP_MODELS.glob("*.py") if "\nCHIP = " in file.read_text(encoding="utf-8")}
    assert models <= set(load_parts())


@pytest.mark.parametrize("part", sorted(load_parts()))
def test_a_row_is_consistent_in_itself(part: str) -> None:
    row = load_parts()[part]
    known = {name for name, _unit, _scale in labels.CHANNELS.values()}
    for channel in row.channel:
        measured = row.kind in ("air", "energy")
        assert (channel.name in known) == measured
        assert (channel.unit is None) == measured, "what is measured has the report's unit"
        assert channel.reported_unit
    signals = {wire.to for wire in row.wiring}
    assert (row.bus is None) == (not row.wiring) == (row.kind == "radio")
    if row.bus is not None:
        assert signals >= {"i2c": {"scl", "sda"}, "uart": {"tx", "rx"}, "gpio": {"pin"}}[row.bus]
        own_supply = {"open"} if row.bus == "gpio" else set()  # a contact takes none of the board's
        assert "GND" in signals
        assert {row.current.supply, *own_supply} & signals
    assert bool(row.address) == (row.bus == "i2c")
    assert {address.wire_to is not None for address in row.address} <= {"address" in signals}
    assert (row.baud is not None) == (row.bus == "uart")
    assert row.current.peak_ma >= row.current.working_ma


# Wired sensors whose driver is ours; what counts by camera has its own line in the fitness of a board
OWN = sorted(
    name for name, row in load_parts().items() if row.bus and row.channel and not row.package and name not in CAMERAS
)


@pytest.mark.parametrize("part", OWN)
def test_nothing_but_its_driver_its_model_and_its_row_knows_of_a_part(part: str) -> None:
    """But for what measures the cost of some of them."""
    name = re.compile(rf"\b{part}\b")
    mine = {FIRMWARE / "sensors" / f"{part}.py", CHIP_MODELS / f"{part}.py"}
    sources = [*FIRMWARE.rglob("*.py"), *CHIP_MODELS.parents[1].rglob("*.py")]
    others = [file for file in sources if file not in mine and "bench" not in file.parts]
    assert len(others) > 200
    assert [str(file) for file in others if name.search(file.read_text(encoding="utf-8"))] == []


def test_a_broken_row_names_table_and_key(tmp_path: Path) -> None:
    file = tmp_path / "parts.toml"
    file.write_text('[x]\ntitle = 3\n[x.current]\nworking_ma = 1.0\npeak_ma = 1.0\nsupply = "12V"\n', encoding="utf-8")
    with pytest.raises(BoardError) as caught:
        load_parts(file)
    text = str(caught.value)
    assert f"{file}: [x] title: should be text in quotes, not 3" in text
    assert f"{file}: [x.current] supply: should be '3V3' or '5V', not '12V'" in text
    assert f"{file}: [x] maker: is missing; add it" in text


def test_what_has_no_bus_is_a_radio(tmp_path: Path) -> None:
    """A row needs its bus and its wires, unless it is a radio, which has neither."""
    text = PARTS.read_text(encoding="utf-8")
    file = tmp_path / "parts.toml"
    for wrong in (text.replace('kind = "radio"', 'kind = "traffic"'), text.replace('bus = "i2c"\n', "", 1)):
        file.write_text(wrong, encoding="utf-8")
        with pytest.raises(BoardError, match="needs a bus and its wiring, unless it is a radio"):
            load_parts(file)


@pytest.mark.parametrize("part", ["pzem004t", "ops243a"])
def test_what_a_sleeping_board_would_miss_cannot_be_on_one(part: str) -> None:
    board = load("esp32-devkitc-v4-meter").model_copy(update={"sleep": DeepSleep(radio_every=1)})
    found = [str(problem) for problem in problems(board, load_parts()) if "sleep deeply" in problem.what]
    assert any(load_parts()[part].title in problem for problem in found), found
    assert len(found) == 2
