"""Boards: what board.toml says, whether the chip can do it, and what is rendered from it."""

from hadeda.board.files import board_file, load, names
from hadeda.board.parts import Part, load_parts
from hadeda.board.schema import Board, Sensor
from hadeda.errors import BoardError

__all__ = [
    "Board",
    "BoardError",
    "Part",
    "Sensor",
    "board_file",
    "load",
    "load_parts",
    "names",
]
