"""Reading policy and floor files: every problem at once, each with its line."""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from hadeda import toml
from hadeda.board.problems import FileError, shown, validated
from hadeda.errors import PolicyError
from hadeda.paths import ROOT
from hadeda.policy.lines import Place, line_of, lines
from hadeda.policy.problems import Finding, PolicyFileError, Severity
from hadeda.policy.schema import Floor, Policy

FILE_MAX = 1 << 14  # many times what a policy needs; a parser takes long over hostile ones
FLOOR_FILE = "floor.toml"
POLICIES = ROOT / "policies"

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Read(Generic[Model]):
    """A file that was read: what it says, and on which line it says it."""

    file: Path
    model: Model
    places: dict[Place, int]

    def finding(self, table: str, key: str, what: str, todo: str = "", severity: Severity = "error") -> Finding:
        """A finding about one key of this file; `table` without brackets."""
        bracketed = f"[{table}]" if table else ""
        return Finding(bracketed, key, what, todo, line_of(self.places, bracketed, key), severity)


def read_policy(file: Path) -> Read[Policy]:
    """The policy in `file`; raises PolicyFileError."""
    return _read(Policy, file)


def read_floor(file: Path) -> Read[Floor]:
    """The floor in `file`; raises PolicyFileError."""
    return _read(Floor, file)


def floor_beside(policy: Path, given: Path | None) -> Path | None:
    """The floor file named, else the one in the policy's own folder; None where there is none."""
    beside = policy.parent / FLOOR_FILE
    return given or (beside if beside.is_file() else None)


def _exact(written: str) -> Decimal:
    """A decimal number as it is written."""
    try:
        return Decimal(written)
    except InvalidOperation:  # an exponent of twenty digits
        return Decimal("nan")


def _read(model: type[Model], file: Path) -> Read[Model]:
    text = _text(file)
    try:
        content = toml.parsed(text, _exact)
    except ValueError as error:
        finding = Finding("", "", f"not valid TOML: {error}", "put that line right", _line_told(str(error), text))
        raise PolicyFileError(file, [finding]) from error
    places = lines(text)
    try:
        return Read(file, validated(model, content, file), places)
    except FileError as error:
        raise PolicyFileError(
            file,
            [
                Finding(
                    problem.table, problem.key, problem.what, problem.todo, line_of(places, problem.table, problem.key)
                )
                for problem in error.problems
            ],
        ) from error


def _line_told(what: str, text: str) -> int | None:
    """The line that the parser's words name; it says "end of document" for the last one."""
    found = re.search(r"\(at line (\d+)", what)
    if found:
        return int(found[1])
    return text.count("\n") + 1 if "end of document" in what else None


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(FILE_MAX + 1)
    except OSError as error:
        raise PolicyError(f"{shown(file)} cannot be read ({error.strerror})", "name a policy file") from error
    if len(content) > FILE_MAX:
        raise PolicyError(f"{shown(file)} is longer than {FILE_MAX} bytes", "name a policy file")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PolicyError(f"{shown(file)} is not UTF-8 text", "name a policy file, or save it as UTF-8") from error
