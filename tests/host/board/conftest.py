"""A board.toml that is right, to be broken in one place at a time."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hadeda.board import BoardError, load
from hadeda.board.problems import FileError, Problem
from hadeda.paths import BOARDS

S3 = "esp32-s3-devkitc-1"


@pytest.fixture
def toml_text() -> str:
    """The S3 board's file as text."""
    return (BOARDS / S3 / "board.toml").read_text(encoding="utf-8")


@pytest.fixture
def content(toml_text: str) -> dict[str, Any]:
    """The S3 board's file as data."""
    return tomllib.loads(toml_text)


Broken = Callable[[str], tuple[Problem, ...]]


@pytest.fixture
def broken(tmp_path: Path) -> Broken:
    """Writes a text as board.toml, loads it, gives back the problems that are reported."""

    def problems_of(text: str) -> tuple[Problem, ...]:
        file = tmp_path / "board.toml"
        file.write_text(text, encoding="utf-8")
        with pytest.raises(BoardError) as caught:
            load(file)
        assert isinstance(caught.value, FileError)
        lines = str(caught.value).splitlines()
        assert len(lines) == len(caught.value.problems)
        assert all(line.startswith(f"{file}: ") for line in lines)
        return caught.value.problems

    return problems_of
