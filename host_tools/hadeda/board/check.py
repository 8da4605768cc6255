"""Everything that is wrong with a board.toml at once: its shape, and the rules for whatever of it has a shape.

`load` stops at the shape, because the rules need a whole board. Here what cannot be read is taken out first, and what
the rules then say about the gap is not repeated.
"""

import copy
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hadeda.board.files import board_file, content_of, problems
from hadeda.board.problems import FileError, Problem, validated
from hadeda.board.schema import Board

ROUNDS_MAX = 8  # a table that is taken out can leave another one short
Place = str | int


def check(name_or_path: str | Path) -> list[Problem]:
    """Every problem of the board's file, first those of its shape. Raises BoardError where there is no file."""
    file = board_file(name_or_path)
    try:
        content = content_of(file)
    except FileError as error:
        return list(error.problems)
    try:
        return problems(validated(Board, content, file), file)
    except FileError as error:
        misshapen = list(error.problems)
    rest = _Rest(content)
    board = rest.board()
    return misshapen + (rest.as_in_the_file(problems(board, file)) if board is not None else [])


class _Rest:
    """What of a file has a shape, and what went: buses by name, sensors by their places in the file."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._left = copy.deepcopy(content)
        sensors = content.get("sensor")
        self._sensors = list(range(1, 1 + len(sensors))) if isinstance(sensors, list) else []
        self._gaps: set[str] = set()

    def board(self) -> Board | None:
        """The board without what has no shape; None where nothing whole is left."""
        for _ in range(ROUNDS_MAX):
            try:
                return Board.model_validate(self._left)
            except ValidationError as error:
                paths = [self._reach(detail) for detail in error.errors(include_url=False)]
            if not all(paths):
                return None
            for path in sorted(paths, key=repr, reverse=True):  # from a list's end, so that places stay what they are
                self._take_out(path)
        return None

    def as_in_the_file(self, found: list[Problem]) -> list[Problem]:
        """Without what is only said because of a gap, and with the file's own numbers of its sensors."""

        def number(match: re.Match[str]) -> str:
            return f"[[sensor]] {self._sensors[int(match[1]) - 1]}"

        def own(text: str) -> str:
            return re.sub(r"\[\[sensor\]\] (\d+)", number, text)

        real = [problem for problem in found if not any(gap in str(problem) for gap in self._gaps)]
        return [replace(problem, table=own(problem.table), what=own(problem.what)) for problem in real]

    def _reach(self, detail: ErrorDetails) -> list[Place]:
        """What goes for an error: an unknown key alone, for any other the bus, the sensor or the key it is about."""
        path: list[Place] = []
        at: Any = self._left
        for step in detail["loc"]:
            if (isinstance(at, dict) and step in at) or (isinstance(at, list) and step in range(len(at))):
                at = at[step]  # type: ignore[index]
                path.append(step)
        return path[:2] if path[:1] in (["bus"], ["sensor"]) and detail["type"] != "extra_forbidden" else path

    def _take_out(self, path: Sequence[Place]) -> None:
        at: Any = self._left
        for step in path[:-1]:
            if not (step in at if isinstance(at, dict) else step in range(len(at))):
                return  # it went with something around it
            at = at[step]
        last = path[-1]
        if not (last in at if isinstance(at, dict) else last in range(len(at))):
            return
        del at[last]
        if path[0] == "bus":
            self._gaps.add(repr(path[1]))
        elif path[0] == "sensor" and isinstance(path[1], int) and len(path) == 2:
            del self._sensors[path[1]]
            self._gaps.add("no sensor uses this bus")
