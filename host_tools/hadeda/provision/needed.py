"""Which drivers a board needs: those of its parts and what they import. All else every node gets."""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hadeda.board import Board
from hadeda.errors import ProvisionError
from hadeda.provision.lean import lean

PACKAGE: Final = "sensors"
RADIO: Final = "while_allowed"  # the driver of a part that is on no bus, and loads that part's own


def drivers(board: Board, modules: Mapping[str, Path]) -> set[str]:
    """The names of those among `modules` (name -> source) that the board's parts come to."""
    wanted = [PACKAGE, *(f"{PACKAGE}.{sensor.part}" for sensor in board.sensors)]
    if any(sensor.bus is None for sensor in board.sensors):
        wanted.append(f"{PACKAGE}.{RADIO}")
    found: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name in modules and name not in found:
            found.add(name)
            source = modules[name]
            # Others' drivers are compiled as they are, and so read as they are
            wanted += _imported(lean(source) if source.parent.name == PACKAGE else source.read_text(encoding="utf-8"))
    return found


def _imported(source: str) -> list[str]:
    """Every module that it may import; of `from a import b` that is a and a.b."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise ProvisionError(f"a driver imports {'.' * node.level}{node.module or ''}", "see provision/needed.py")
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    packages = [name.rsplit(".", 1)[0] for name in names if "." in name]
    return [*names, *packages]
