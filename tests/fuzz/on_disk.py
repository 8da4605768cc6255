"""An input as a file that a reader opens; errors have to be fit to be shown."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

_FOLDER = tempfile.TemporaryDirectory(prefix="hadeda-fuzz-")


def read_back(data: bytes, name: str, read: Callable[[Path], object], error: type[Exception]) -> bool:
    """Whether `read` takes the file; what else than `error` it raises is raised."""
    file = Path(_FOLDER.name) / name
    file.write_bytes(data)
    try:
        read(file)
    except error as refusal:
        if not str(refusal):
            raise AssertionError("an error without words") from refusal
        return False
    return True
