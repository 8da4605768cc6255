"""Policies for the tests: the shipped one, changed line by line."""

from pathlib import Path

from hadeda.paths import ROOT
from hadeda.policy import Policy, Read, read_policy

STREET = ROOT / "policies" / "street.toml"
FLOOR = ROOT / "policies" / "floor.toml"
BELOW_FLOOR = Path(__file__).parent / "policy" / "below_floor.toml"


def written(folder: Path, changes: dict[str, str] | None = None, more: str = "", source: Path = STREET) -> Path:
    """`source` in `folder`, with the line that begins with each key of `changes` replaced, and `more` at its end."""
    lines = source.read_text(encoding="utf-8").splitlines()
    for start, line in (changes or {}).items():
        (place,) = (number for number, old in enumerate(lines) if old.startswith(start))
        lines[place] = line
    file = folder / "policy.toml"
    file.write_text("\n".join([*lines, more, ""]), encoding="utf-8")
    return file


def line_number(file: Path, start: str) -> int:
    """The line, from 1, that begins with `start`."""
    return next(n for n, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1) if line.startswith(start))


def policy(folder: Path, changes: dict[str, str] | None = None, more: str = "") -> Read[Policy]:
    """The shipped policy with changes, read."""
    return read_policy(written(folder, changes, more))
