"""TOML files that people write: read within bounds; whatever else is wrong with one is a ValueError that says what.

`tomllib` alone lets RecursionError out, and takes long over large hostile files.
"""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

BYTES_MAX: Final = 1 << 16  # many times what any file of ours needs


def read(file: Path) -> dict[str, Any]:
    """The file's content; raises OSError, UnicodeDecodeError or another ValueError."""
    with file.open("rb") as stream:
        content = stream.read(BYTES_MAX + 1)
    if len(content) > BYTES_MAX:
        raise ValueError(f"it is longer than {BYTES_MAX} bytes")
    return parsed(content.decode("utf-8"))


def parsed(text: str, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """What the text says; raises ValueError."""
    try:
        return tomllib.loads(text, parse_float=parse_float)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
