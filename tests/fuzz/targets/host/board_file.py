"""A board.toml, as an engineer or an accident writes it: a board, or BoardError with every problem of the file."""

from on_disk import read_back

from hadeda.board import load
from hadeda.errors import BoardError
from hadeda.paths import BOARDS


def one_input(data: bytes) -> bool:
    return read_back(data, "board.toml", load, BoardError)


def seeds() -> list[bytes]:
    return [file.read_bytes() for file in sorted(BOARDS.glob("*/board.toml"))]
