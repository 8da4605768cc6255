"""The emulated board against the record of a stock ESP32 image, line by line; and the firmware against that record."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from firmware_names import names_used
from mpremote_board import PortedBoard, powered

from hadeda.emulator.board import EmulatedBoard

RECORD = Path(__file__).parent / "record"
TMP105 = 0x48
Answers = dict[str, object]


class Tmp105:
    """The temperature sensor on the recorded board (datasheet SBOS311, pointer register): 25.0 degC."""

    on_event = None

    def __init__(self) -> None:
        self._pointer = 0

    def write(self, data: bytes, _now: float) -> None:
        if data:
            self._pointer = data[0]

    def read(self, count: int, _now: float) -> bytes:
        register = b"\x19\x00" if self._pointer == 0 else b"\x00\x00"
        return (register * count)[:count]


def solder_tmp105(board: EmulatedBoard) -> None:
    board.wiring.add_i2c(18, 19, TMP105, Tmp105())


@pytest.fixture(scope="module")
def recorded_board(pytestconfig: pytest.Config) -> Iterator[PortedBoard]:
    """The board of the record. Its programs erase a partition, so they do not run on somebody's hardware."""
    if pytestconfig.getoption("--port"):
        pytest.skip("the record is compared with the emulated board: run without --port")
    with powered("esp32-devkitc-v4", prepare=solder_tmp105, stock_partitions=True) as board:
        yield board


def parse(text: str, key_fields: int) -> Answers:
    """Name -> answer. The name of a missing module's line is the module."""
    answers: Answers = {}
    for line in text.splitlines():
        if line != "END":
            fields = json.loads(line)
            answers[".".join(field for field in fields[:key_fields] if field is not None)] = fields[key_fields:]
    return answers


def agrees(recorded: object, answered: object) -> bool:
    """A class must have every recorded attribute; what it has besides, no firmware may use."""
    match (recorded, answered):
        case ([{"class": dict(wanted)}], [{"class": dict(found)}]):
            return all(found.get(name) == value for name, value in wanted.items())
    return recorded == answered


def differences(name: str, board: PortedBoard, key_fields: int) -> list[str]:
    recorded = parse((RECORD / f"{name}.jsonl").read_text(), key_fields)
    answered = parse(board.ask("run", RECORD / f"record_{name}.py"), key_fields)
    assert len(recorded) > 100
    return [key for key, value in recorded.items() if not agrees(value, answered.get(key))]


def excused(name: str, pattern: str) -> bool:
    """`module` excuses all of a module, `module.name*` what it matches."""
    return fnmatchcase(name, pattern) or ("." not in pattern and name.startswith(f"{pattern}."))


@pytest.mark.parametrize(("name", "key_fields"), [("behaviour", 1), ("surface", 2)])
def test_every_recorded_line_is_answered_the_same(recorded_board: PortedBoard, name: str, key_fields: int) -> None:
    reasons = tomllib.loads((RECORD / "differences.toml").read_text())[name]
    found = differences(name, recorded_board, key_fields)
    unexplained = [key for key in found if not any(excused(key, pattern) for pattern in reasons)]
    stale = [pattern for pattern in reasons if not any(excused(key, pattern) for key in found)]
    assert not unexplained
    assert not stale


@pytest.mark.parametrize("module", ["_host", "_wire", "_console", "_boot_info", "opcodes", "ffi", "termios", "jni"])
def test_the_machine_underneath_is_out_of_reach(recorded_board: PortedBoard, module: str) -> None:
    program = f"try:\n    import {module}\n    print('there')\nexcept ImportError:\n    print('not there')"
    assert recorded_board.exec(program) == "not there\n"


def test_no_file_system_but_the_flash(recorded_board: PortedBoard) -> None:
    program = "import os, vfs; print(hasattr(vfs, 'VfsPosix'), hasattr(os, 'system'), os.statvfs('/')[:3])"
    assert recorded_board.exec(program) == "False False (4096, 4096, 512)\n"
    assert "etc" not in recorded_board.exec("import os; print(os.listdir('/'))")


def test_firmware_uses_only_names_of_the_record() -> None:
    recorded = parse((RECORD / "surface.jsonl").read_text(), 2)
    excuses = tomllib.loads((RECORD / "differences.toml").read_text())["surface"]
    used = names_used(modules={name.rsplit(".", 1)[0] for name in recorded})
    assert len(used) > 20
    unknown = [f"{name} ({file})" for name, file in used.items() if not known(name, recorded)]
    differing = [f"{name} ({file})" for name, file in used.items() if any(excused(name, p) for p in excuses)]
    assert not unknown, "not on a stock image"
    assert not differing, "not the same on the emulated board"


def known(name: str, recorded: Answers) -> bool:
    """Whether `module.name` or `module.Class.attribute` is recorded."""
    if name in recorded:
        return True
    owner, attribute = name.rsplit(".", 1)
    match recorded.get(owner):
        case [{"class": dict(attributes)}]:
            return attribute in attributes
    return False
