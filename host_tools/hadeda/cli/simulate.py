"""`hadeda simulate`: boards, broker, city and bad weather in virtual time, from one seed. Exposes `command`."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from hadeda.board import load
from hadeda.cli import output
from hadeda.cli.options import JsonOption, SeedOption
from hadeda.errors import SimulationError

if TYPE_CHECKING:
    from rich.table import Table

    from hadeda.simulate.summary import Summary

BOARD = "esp32-s3-devkitc-1"
DAY_US = 86_400_000_000
MINUTE_US = 60_000_000


class Scenario(StrEnum):
    """The worlds there are."""

    STREET = "street"


class Profile(StrEnum):
    """What goes wrong: hadeda/simulate/profiles.py."""

    NONE = "none"
    STORM = "storm"


def command(
    scenario: Annotated[Scenario, typer.Argument(metavar="SCENARIO", help="The world around the boards: street.")],
    boards: Annotated[int, typer.Option("--boards", min=1, max=1000, help="How many boards.")] = 1,
    days: Annotated[float, typer.Option("--days", min=0.01, max=365, help="How long, in days of the street.")] = 1.0,
    seed: SeedOption = 7,
    faults: Annotated[Profile, typer.Option("--faults", help="What goes wrong.")] = Profile.NONE,
    board: Annotated[str, typer.Option("--board", metavar="BOARD", help="Which board to emulate.")] = BOARD,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="On so many cores; else on all there are.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the real firmware on many emulated boards with a broker and a collector, and check what must always hold.

    The same seed and the same firmware give the same bytes, flash images included, on however many cores: the digest
    says so. Exit status 0
    only if nothing was violated; else the seed, what happened before, and the line that plays it again.
    """
    from hadeda.cores import usable
    from hadeda.simulate.run import simulate
    from hadeda.simulate.street import Wanted
    from hadeda.simulate.summary import replay_command

    wanted = Wanted(load(board), boards, round(days * DAY_US), seed, faults.value)
    with output.progress("simulating", boards * wanted.length_us // MINUTE_US) as advance:
        passed_us = 0

        def done(us: int) -> None:
            nonlocal passed_us
            before, passed_us = passed_us // MINUTE_US, passed_us + us
            advance(passed_us // MINUTE_US - before)

        summary = simulate(wanted, output.say, done, jobs or len(usable()))
    output.emit(summary.figures, as_json, lambda: table(summary))
    if summary.violations:
        report(summary, replay_command(wanted, scenario.value))


def table(summary: "Summary") -> "Table":
    """The figures, one a row."""
    rows = [(name, str(value)) for name, value in summary.figures.items() if name != "violations"]
    return output.table("What came of it", ("", "value"), rows)


def report(summary: "Summary", replay: str) -> None:
    """Say on stderr what did not hold and what happened before; raises SimulationError with the replay."""
    sys.stdout.flush()
    for line in summary.trace:
        output.say(line)
    for violation in summary.violations:
        output.say(f"violated: {violation}")
    raise SimulationError(f"{len(summary.violations)} invariants were violated", f"replay it with: {replay}")
