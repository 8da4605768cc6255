"""What commands print: a rich table or one line of JSON on stdout; errors and progress on stderr.

Rich is imported where it draws, so that a command that answers with JSON or an error does not wait for it.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hadeda.errors import HadedaError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress, TaskID
    from rich.table import Table

PIPE_COLUMNS = 120  # rich assumes 80 where there is no terminal, and would cut cells that a script or a log wants


def _plain(value: object) -> object:
    """What `json` cannot write itself: bytes as hexadecimal, times in ISO 8601, paths and models as their content."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json", exclude_none=True)
    raise TypeError(f"no JSON for {type(value).__name__}")


def to_json(data: object) -> str:
    """`data` as one line of JSON."""
    return json.dumps(data, default=_plain, ensure_ascii=False)


def print_json(data: object) -> None:
    """Write `data` to stdout as one line of JSON."""
    sys.stdout.write(to_json(data) + "\n")
    sys.stdout.flush()


def console(*, stderr: bool = False) -> "Console":
    """A console for stdout or stderr, wide where nobody looks at it through a terminal."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    wide = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_COLUMNS
    return Console(file=stream, width=wide, highlight=False)


def emit(data: object, as_json: bool, draw: Callable[[], "RenderableType"]) -> None:
    """Answer a command: `data` as JSON, or whatever `draw` returns; `draw` is only called when it is needed."""
    if as_json:
        print_json(data)
    else:
        console().print(draw())


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> "Table":
    """A table of text; None is an empty cell, square brackets are taken literally, numbers stand on the right.

    The first column, what a row is called, is broken only where nothing else can give way.
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    cells = [tuple(row) for row in rows]
    drawn = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        numeric = bool(cells) and all(isinstance(row[index], int | float | None) for row in cells)
        drawn.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=not index)
    for row in cells:
        drawn.add_row(*("" if cell is None else escape(str(cell)) for cell in row))
    return drawn


def say(text: str) -> None:
    """A line for the person in front of the terminal; stdout stays clean for the answer."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def error(problem: HadedaError) -> None:
    """One line: what is wrong and what to do. A board file with several errors has one line for each."""
    say(f"hadeda: {problem}")


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr while the block runs, on a terminal only; call the answer with the steps just done."""
    from rich.progress import Progress

    with Progress(console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(label, total=total)

        def advance(steps: int = 1) -> None:
            bar.advance(task, steps)

        yield advance


class Bar:
    """Steps one after the other, each with a bar where it says how far it is."""

    def __init__(self, drawn: "Progress") -> None:
        self._drawn = drawn
        self._task: TaskID | None = None

    def begin(self, label: str) -> None:
        """The next step."""
        if self._drawn.disable:
            say(label)
            return
        self._task = self._drawn.add_task(label, total=None)

    def show(self, done: int, total: int) -> None:
        """How far the step is."""
        if self._task is not None:
            self._drawn.update(self._task, completed=done, total=total)


@contextmanager
def bar() -> Iterator[Bar]:
    """Bars on stderr where it is a terminal, else a line for each step."""
    from rich.progress import Progress

    with Progress(console=console(stderr=True), disable=not sys.stderr.isatty()) as drawn:
        yield Bar(drawn)
