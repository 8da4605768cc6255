"""What is wrong with a TOML file of ours: every problem names file, table and key, and says what to do.

All problems of a file are reported at once, one line each, so that it is put right in one go.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hadeda import toml
from hadeda.errors import BoardError
from hadeda.paths import ROOT

Model = TypeVar("Model", bound=BaseModel)
Step = str | int


@dataclass(frozen=True)
class Problem:
    """One thing that cannot be right: where (`table` as it is written in the file, `key`), what, and what to do."""

    table: str
    key: str
    what: str
    todo: str = ""

    def __str__(self) -> str:
        where = " ".join(word for word in (self.table, self.key) if word)
        text = f"{where}: {self.what}" if where else self.what
        return f"{text}; {self.todo}" if self.todo else text


class FileError(BoardError):
    """A file of ours that cannot be used, with everything that is wrong with it."""

    def __init__(self, file: Path, problems: Sequence[Problem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{shown(file)}: {problem}" for problem in self.problems))


def shown(file: Path) -> str:
    """The path as a person would write it: from the project's folder where it lies inside."""
    return str(file.relative_to(ROOT)) if file.is_relative_to(ROOT) else str(file)


def close_to(word: str, known: Sequence[str]) -> str:
    """A hint for a mistyped word: the nearest known one, else all of them."""
    near = get_close_matches(word, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"


def read_toml(file: Path) -> dict[str, Any]:
    """The file's content. Raises `FileError` when it cannot be read or is not TOML."""
    try:
        return toml.read(file)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise FileError(file, [Problem("", "", f"cannot be read: {reason}")]) from error
    except ValueError as error:
        raise FileError(file, [Problem("", "", f"not valid TOML: {error}", "put that line right")]) from error


def validated(model: type[Model], content: dict[str, Any], file: Path, skip: int = 0) -> Model:
    """`content` as `model`; `skip` steps of a location are ours, not the file's. Raises `FileError`."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = [_problem(detail, content, skip) for detail in error.errors(include_url=False)]
        raise FileError(file, _merged(found)) from error


def _merged(found: Sequence[Problem]) -> list[Problem]:
    """One problem for each place: where several types are possible, pydantic reports what each of them misses."""
    at: dict[tuple[str, str], Problem] = {}
    for problem in found:
        place = (problem.table, problem.key)
        first = at.setdefault(place, problem)
        if problem.what != first.what:
            at[place] = replace(first, what=f"{first.what}, or {problem.what}")
    return list(at.values())


def _problem(detail: ErrorDetails, content: dict[str, Any], skip: int) -> Problem:
    """One pydantic error in the file's own words."""
    kind = detail["type"]
    path = _in_file(detail["loc"], content, absent=kind == "missing")[skip:]
    if kind.startswith("union_tag"):  # the key that tells one kind of table from the other is missing or unknown
        table, key = where([*path, "kind"])
        return Problem(table, key, "is missing or unknown", f"it can be {detail['ctx'].get('expected_tags', _BUSES)}")
    table, key = where(path)
    if kind == "extra_forbidden":
        return Problem(table, key, "unknown key", "take it out, or correct its spelling")
    if kind == "missing":
        return Problem(table, key, "is missing", "add it")
    what = _WORDS[kind].format(**detail.get("ctx", {})) if kind in _WORDS else detail["msg"]
    given = detail["input"]
    if isinstance(given, str | int | float) and kind != "policy":  # its own words say what was given
        what = f"{what}, not {_said(given)}"
    return Problem(table, key, what)


def _said(given: str | int | float) -> str:
    """What was given, as the file would say it; Python refuses to write out a number of thousands of digits."""
    if isinstance(given, int) and given.bit_length() > _TOML_BITS:
        return "a number of more than 64 bits"
    return repr(given)


_TOML_BITS = 64
_BUSES = "'i2c', 'uart', 'gpio'"
_WORDS = {
    "dict_type": "should be a table",
    "greater_than": "should be more than {gt}",
    "greater_than_equal": "should be at least {ge}",
    "int_type": "should be a whole number",
    "float_type": "should be a number",
    "bool_type": "should be true or false",
    "less_than_equal": "should be at most {le}",
    "list_type": "should be a list",
    "literal_error": "should be {expected}",
    "model_attributes_type": "should be a table",
    "model_type": "should be a table",
    "string_pattern_mismatch": "should be written like the pattern {pattern}",
    "string_too_long": "should have at most {max_length} characters",
    "string_too_short": "should have at least {min_length} characters",
    "string_type": "should be text in quotes",
    "too_long": "should have at most {max_length} entries",
    "too_short": "should have at least {min_length} entry",
    "tuple_type": "should be a list",
}


def _in_file(location: tuple[Step, ...], content: dict[str, Any], absent: bool) -> list[Step]:
    """The steps of a location that are in the file; pydantic's own (union tags, "[key]") are left out.

    `absent`: the last step is a key that should be in the file and is not.
    """
    steps: list[Step] = []
    at: Any = content
    for index, step in enumerate(location):
        if (isinstance(at, dict) and step in at) or (isinstance(at, list) and isinstance(step, int)):
            at = at[step]  # type: ignore[index]
            steps.append(step)
        elif absent and index == len(location) - 1:
            steps.append(step)
    return steps


def where(path: Sequence[Step]) -> tuple[str, str]:
    """A path as a reader finds it: ("[bus.uart1]", "tx"), ("[[sensor]] 2", "part"), ("", "name")."""
    table: list[str] = []
    ordinal = ""
    for index, step in enumerate(path[:-1]):
        if not isinstance(step, int):
            table.append(step)
        elif index == 1:
            ordinal = f" {step + 1}"
    key = str(path[-1]) if path else ""
    if path and isinstance(path[-1], int):  # an element of a list: the list is the key, the element its ordinal
        key = f"{table.pop()} {path[-1] + 1}" if table else key
    name = ".".join(table)
    if not name:
        return "", key
    return (f"[[{name}]]{ordinal}" if ordinal else f"[{name}]"), key
