"""Finding and reading boards: by name below boards/, or by the path of a board.toml anywhere.

A variant names its `base`, a board of boards/, and says only what is different: tables are merged key by key, lists
replaced whole. A bus of the base that the variant's sensors do not use is not there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hadeda.board import rules
from hadeda.board.parts import Part, load_parts
from hadeda.board.problems import FileError, Problem, close_to, read_toml, shown, validated
from hadeda.board.schema import Board
from hadeda.errors import BoardError
from hadeda.paths import BOARDS

FILE = "board.toml"


def names() -> list[str]:
    """The boards of this checkout, in alphabetical order."""
    return sorted(file.parent.name for file in BOARDS.glob(f"*/{FILE}"))


def board_file(name_or_path: str | Path) -> Path:
    """The board.toml meant by a board's name, a board.toml's path or its folder. Raises `BoardError` without one."""
    text = str(name_or_path)
    if text in names():
        return BOARDS / text / FILE
    path = Path(text)
    if path.is_dir():
        path = path / FILE
    if path.is_file():
        return path
    if isinstance(name_or_path, Path) or "/" in text or "\\" in text or text.endswith(".toml"):
        raise BoardError(f"no board file {shown(path)}", "name a board.toml, or a board of `hadeda board list`")
    raise BoardError(f"no board {text!r}", close_to(text, names()))


def load(name_or_path: str | Path, parts: Mapping[str, Part] | None = None) -> Board:
    """The board, checked against its chip and its parts. Raises `BoardError` with every problem of the file.

    `parts` replaces boards/parts.toml, for tests.
    """
    file = board_file(name_or_path)
    board = validated(Board, content_of(file), file)
    if found := problems(board, file, parts):
        raise FileError(file, found)
    return board


def problems(board: Board, file: Path, parts: Mapping[str, Part] | None = None) -> list[Problem]:
    """What is wrong with a board of the right shape, read from `file`."""
    found = rules.problems(board, dict(parts) if parts is not None else load_parts())
    if file.parent.parent == BOARDS and board.name != file.parent.name:
        found.insert(0, Problem("", "name", f"{board.name!r} is not the folder's name", f"say {file.parent.name!r}"))
    return found


def content_of(file: Path) -> dict[str, Any]:
    """What the file says, with what it takes over from its base. Raises `FileError`."""
    own = read_toml(file)
    if "base" not in own:
        return own
    base = own.pop("base")
    if not isinstance(base, str):
        raise FileError(file, [Problem("", "base", "should be text in quotes", "name a board of boards/")])
    if base not in names():
        raise FileError(file, [Problem("", "base", f"no board {base!r}", close_to(base, names()))])
    base_file = BOARDS / base / FILE
    inherited = read_toml(base_file)
    if "base" in inherited:
        what = f"{base} is itself a variant of {inherited['base']}"
        raise FileError(file, [Problem("", "base", what, f"say {inherited['base']!r}")])
    validated(Board, inherited, base_file)
    if own.get("name", base) == base:
        raise FileError(file, [Problem("", "name", "a variant has a name of its own", "give it the folder's name")])
    return _without_idle_buses(_merged(inherited, own), own)


def _merged(inherited: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    merged = dict(inherited)
    for key, value in own.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _without_idle_buses(content: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Only inherited buses go unsaid: one that the variant writes itself, and does not use, is a mistake."""
    sensors, buses, written = content.get("sensor"), content.get("bus"), own.get("bus", {})
    if not isinstance(sensors, list) or not isinstance(buses, dict) or not isinstance(written, dict):
        return content  # the shape is wrong, and will be said to be
    used = {sensor.get("bus") for sensor in sensors if isinstance(sensor, dict)}
    if content.get("identity", "flash") != "flash":  # the secure element's is the first on I2C (Board.element)
        on_i2c = (name for name, bus in buses.items() if isinstance(bus, dict) and bus.get("kind") == "i2c")
        used.add(next(on_i2c, None))
    return content | {"bus": {name: bus for name, bus in buses.items() if name in used or name in written}}
