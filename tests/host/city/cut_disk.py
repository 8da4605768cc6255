"""A disk whose power is cut before the n-th operation that changes it; what was not synchronised may be lost."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

OPERATIONS = ("open", "fsync", "replace", "unlink")


class PowerCut(BaseException):
    """Nothing runs after this."""


class CutDisk:
    """Counts operations, raises PowerCut in place of number `cut_at`; `lose()` then takes what was never synchronised.

    Content of a new file is lost unless the file was synchronised, the file itself unless its folder was.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cut_at: int) -> None:
        self.count = 0
        self._cut_at = cut_at
        self._paths: dict[int, Path] = {}
        self._content_at_risk: set[Path] = set()
        self._entries_at_risk: set[Path] = set()
        for name in OPERATIONS:
            monkeypatch.setattr(os, name, self._counted(name, getattr(os, name)))

    def lose(self) -> None:
        """What a real disk may have forgotten, it forgets."""
        for path in self._content_at_risk:
            if path.exists():
                path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        for path in self._entries_at_risk:
            path.unlink(missing_ok=True)

    def _counted(self, name: str, real: Any) -> Any:
        def operation(first: Any, *rest: Any, **named: Any) -> Any:
            if name == "open" and not rest[0] & os.O_CREAT:
                found = real(first, *rest, **named)
                self._paths[found] = Path(first)
                return found
            self.count += 1
            if self.count == self._cut_at:
                raise PowerCut
            result = real(first, *rest, **named)
            self._note(name, first, rest, result)
            return result

        return operation

    def _note(self, name: str, first: Any, rest: tuple[Any, ...], result: Any) -> None:
        if name == "open":
            self._paths[result] = Path(first)
            self._content_at_risk.add(Path(first))
            self._entries_at_risk.add(Path(first))
        elif name == "fsync" and stat.S_ISDIR(os.fstat(first).st_mode):
            folder = self._paths[first]
            self._entries_at_risk = {path for path in self._entries_at_risk if path.parent != folder}
        elif name == "fsync" and first in self._paths:
            self._content_at_risk.discard(self._paths[first])
        elif name == "replace":
            # The old or the new under this name, never neither: it is the entry of the new name that is gone
            self._entries_at_risk.discard(Path(first))
            if Path(first) in self._content_at_risk:
                self._content_at_risk.add(Path(rest[0]))
