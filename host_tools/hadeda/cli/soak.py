"""`hadeda soak`: sweep seeds of the simulation until the time is over. Exposes `command`."""

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hadeda.board import load
from hadeda.cli import output
from hadeda.cli.options import JsonOption
from hadeda.errors import SimulationError

if TYPE_CHECKING:
    from rich.table import Table

    from hadeda.simulate.soak import Soak

BOARD = "esp32-s3-devkitc-1"


def command(
    minutes: Annotated[float, typer.Option("--minutes", min=0, max=10_000, help="For about so long.")] = 5.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The first seed; the next one follows.")] = 1,
    board: Annotated[str, typer.Option("--board", metavar="BOARD", help="Which board to emulate.")] = BOARD,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="On so many cores; else on all there are.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate small streets in a storm, a new seed each, until the time is over.

    Exit status 0 only if no invariant was violated; else what was, and the line that plays each run again.
    """
    from hadeda.cores import usable
    from hadeda.simulate.soak import soak

    logging.getLogger("hadeda.collect").setLevel(logging.ERROR)  # refusals are part of the weather
    with output.progress("soaking", 1) as advance:
        found = soak(load(board), seed, minutes, jobs or len(usable()), output.say)
        advance(1)
    output.emit(asdict(found), as_json, lambda: table(found))
    if found.failures:
        for replay, violations in found.failures.items():
            for violation in violations:
                output.say(f"violated: {violation}")
            output.say(f"  replay it with: {replay}")
        raise SimulationError(f"{len(found.failures)} of {found.seeds} seeds violate an invariant", "replay them")


def table(found: "Soak") -> "Table":
    """The figures, one a row."""
    rows = [(name, str(value)) for name, value in asdict(found).items() if name != "failures"]
    return output.table("What came of it", ("", "value"), rows)
