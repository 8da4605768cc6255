"""On which line of a TOML file a key stands: the parser does not say, and a person wants to know.

The text is cut into statements, each the fewest lines that are TOML on their own: a table's header, or a key with its
value. Every statement goes through the parser, so that strings and arrays over several lines are never misread.
"""

import tomllib
from collections.abc import Iterator
from typing import Any

from hadeda.board.problems import where

STATEMENT_LINES_MAX = 100
DEPTH_MAX = 3

Place = tuple[str, str]


def lines(text: str) -> dict[Place, int]:
    """(table, key) as `hadeda.board.problems.where` writes them -> line, from 1. Best effort for text that is TOML."""
    found: dict[Place, int] = {}
    table: tuple[str, ...] = ()
    for number, header, content in _statements(text):
        paths = list(_paths(content))
        if header:
            table = max(paths, key=len, default=())
            paths = [table[:depth] for depth in range(1, len(table) + 1)]
        else:
            paths = [(*table, *path) for path in paths]
        for path in paths:
            found.setdefault(where(path), number)
    return found


def line_of(found: dict[Place, int], table: str, key: str) -> int | None:
    """The line of a key; for an element of a list the list's; for a key that is missing its table's, or the first."""
    name = table.strip("[]")
    parent = tuple(name.split(".")) if name else ()
    for place in ((table, key), (table, key.rpartition(" ")[0]), where(parent)):
        if place in found:
            return found[place]
    return None if name else 1


def _statements(text: str) -> Iterator[tuple[int, bool, dict[str, Any]]]:
    """First line, whether it is a table's header, and what it says by itself, of each statement."""
    chunk: list[str] = []
    first = 1
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if not chunk:
            first = number
        chunk.append(line)
        try:
            content = tomllib.loads("\n".join(chunk), parse_float=str)
        except (ValueError, RecursionError):
            if len(chunk) > STATEMENT_LINES_MAX:
                return
            continue
        if content:
            yield first, chunk[0].lstrip().startswith("["), content
        chunk = []


def _paths(content: object, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of all keys down to DEPTH_MAX, tables before what is in them."""
    if isinstance(content, list) and len(content) == 1:
        content = content[0]  # the header of an array of tables
    if not isinstance(content, dict) or len(above) == DEPTH_MAX:
        return
    for key, value in content.items():
        yield (*above, key)
        yield from _paths(value, (*above, key))
