"""`hadeda bench`: what the node's code costs. Exposes `app`."""

from typing import TYPE_CHECKING, Annotated

import typer

from hadeda.bench import figures
from hadeda.bench.build import OPTIMISATIONS, Yardstick, build
from hadeda.bench.run import measure
from hadeda.cli import output
from hadeda.cli.options import JsonOption
from hadeda.errors import BenchError

if TYPE_CHECKING:
    from rich.table import Table

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """What the node's code costs, in instructions of a RISC-V core (RV32IMC, as in an ESP32-C3) under QEMU."""


@app.command()
def sign(
    keys: Annotated[int, typer.Option("--keys", min=1, help="So many keys and messages.")] = 5,
    optimise: Annotated[
        str, typer.Option("--optimise", help=f"The compiler's level for MicroPython: {', '.join(OPTIMISATIONS)}.")
    ] = OPTIMISATIONS[0],
    as_json: JsonOption = False,
) -> None:
    """Measure signatures, and everything else a sealed report is made of. Builds its MicroPython the first time."""
    if optimise not in OPTIMISATIONS:
        raise BenchError(f"no level {optimise}", f"one of {', '.join(OPTIMISATIONS)}")
    yardstick = build(optimise)
    values = measure(yardstick, keys)
    output.console().print(draw(values, yardstick))
    if as_json:
        output.print_json(figures.answer(values, yardstick))


def draw(values: dict[str, list[int]], yardstick: Yardstick) -> "Table":
    """A row for every figure."""
    rows: list[tuple[object, ...]] = []
    for name, subject in figures.SUBJECTS.items():
        if name in values:
            figure = figures.summarise(values[name])
            rows.append((name, subject, figure.median, figure.min, figure.max))
    rows.extend((name, "", values[name][0], None, None) for name in figures.BYTES if name in values)
    title = f"MicroPython {yardstick.micropython}, {yardstick.flags}; gcc {yardstick.gcc}; QEMU {yardstick.qemu}"
    return output.table(title, ("", "instructions (bytes at the end)", "median", "least", "most"), rows)
