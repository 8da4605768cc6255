"""The targets and their corpora, by name: node/... run on both interpreters, host/... on CPython.

A target is a module with `one_input(data)`, which says whether the bytes were taken for what they should be and raises
only what nobody has documented, and `seeds()`, inputs that are taken.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
NAMES = sorted(
    f"{file.parent.name}/{file.stem}" for file in HERE.glob("targets/*/*.py") if not file.stem.startswith("_")
)


class Target(Protocol):
    """A module of targets/."""

    one_input: Callable[[bytes], bool]
    seeds: Callable[[], list[bytes]]


def target(name: str) -> Target:
    """The module of this name."""
    return cast("Target", importlib.import_module("targets." + name.replace("/", ".")))


def corpus(name: str) -> list[Path]:
    """The kept inputs of this target, in order."""
    return sorted(file for file in (CORPUS / name).glob("*") if file.is_file())
