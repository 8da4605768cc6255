"""Reads an hourly CSV file and says, with file and line, what cannot be played.

A file has a header, a first column `local_time` (ISO 8601, on the hour, rising, no zone) and numbers. Columns
that are not asked for are passed over, so a file may carry more than a scenario uses.
"""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hadeda.errors import ScenarioError

HOUR_S = 3600
_TIME = "local_time"


@dataclass(frozen=True)
class Row:
    """One line of an hourly file; the getters raise ScenarioError naming file, line and column."""

    path: Path
    line: int
    time: datetime
    cells: dict[str, str]

    @property
    def start_s(self) -> int:
        """Start of the hour in Unix seconds, local time read as if it were UTC."""
        return int(self.time.timestamp())

    def error(self, message: str) -> ScenarioError:
        """An error about this line."""
        return ScenarioError(f"{self.path}:{self.line}: {message}", "correct the file or play another one")

    def number(self, column: str, low: float, high: float) -> float:
        """The cell as a finite number within low and high."""
        text = self.cells[column].strip()
        try:
            value = float(text)
        except ValueError:
            raise self.error(f"{column} is {text!r}, not a number") from None
        if not math.isfinite(value) or not low <= value <= high:
            raise self.error(f"{column} is {text}, not between {low:g} and {high:g}")
        return value

    def number_or_gap(self, column: str, low: float, high: float) -> float | None:
        """As number(), but an empty cell is a gap: None."""
        return self.number(column, low, high) if self.cells[column].strip() else None

    def count(self, column: str, high: int) -> int:
        """The cell as a whole number from 0 to high."""
        value = self.number(column, 0, high)
        if value != int(value):
            raise self.error(f"{column} is {self.cells[column].strip()}, not a whole number")
        return int(value)


def read(path: Path, columns: tuple[str, ...]) -> list[Row]:
    """All rows of the file, which must have `columns`; raises ScenarioError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(_rows(path, csv.reader(file, strict=True), columns))
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}", "name an hourly CSV file") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ScenarioError(f"{path}: not a CSV text file ({error})", "name an hourly CSV file") from error
    if not rows:
        raise ScenarioError(f"{path}: no hours in it", "a scenario needs at least one hour")
    return rows


def _rows(path: Path, lines: Iterator[list[str]], columns: tuple[str, ...]) -> Iterator[Row]:
    header = [name.strip() for name in next(lines, [])]
    missing = [name for name in (_TIME, *columns) if name not in header]
    if missing:
        raise ScenarioError(f"{path}:1: no column {', '.join(missing)}", f"it needs {_TIME}, {', '.join(columns)}")
    before: datetime | None = None
    for line, cells in enumerate(lines, start=2):
        if not cells:
            continue
        if len(cells) != len(header):
            raise ScenarioError(f"{path}:{line}: {len(cells)} cells, the header has {len(header)}", "correct the line")
        row = _row(path, line, dict(zip(header, cells, strict=True)))
        if before is not None and row.time <= before:
            raise row.error(f"{_TIME} {row.cells[_TIME]} does not come after the line before")
        before = row.time
        yield row


def _row(path: Path, line: int, cells: dict[str, str]) -> Row:
    text = cells[_TIME].strip()
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is not None or time != time.replace(minute=0, second=0, microsecond=0):
        hint = "write local time on the hour, like 2022-06-01T07:00:00"
        raise ScenarioError(f"{path}:{line}: {_TIME} is {text!r}", hint)
    return Row(path, line, time.replace(tzinfo=UTC), cells)


def hour_of(t: float) -> int:
    """Start, in Unix seconds, of the hour in which t lies."""
    return int(t // HOUR_S) * HOUR_S


def calendar(t: int) -> tuple[int, int, int]:
    """Month, day and hour of a Unix time: what two years have in common."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=t)
    return moment.month, moment.day, moment.hour
