"""Finding and reading boards: by name below boards/, or by the path of a board.toml anywhere."""

from collections.abc import Mapping
from pathlib import Path

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
    board = validated(Board, read_toml(file), file)
    found = rules.problems(board, dict(parts) if parts is not None else load_parts())
    if file.parent.parent == BOARDS and board.name != file.parent.name:
        found.insert(0, Problem("", "name", f"{board.name!r} is not the folder's name", f"say {file.parent.name!r}"))
    if found:
        raise FileError(file, found)
    return board
