"""`hadeda bench`: what the node's code costs. Exposes `app`."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hadeda.bench import figures
from hadeda.bench.build import OPTIMISATIONS, Yardstick, build
from hadeda.bench.run import measure_minimising, measure_sealing
from hadeda.board import load
from hadeda.cli import output
from hadeda.cli.options import BoardOption, JsonOption, SeedOption
from hadeda.errors import BenchError

if TYPE_CHECKING:
    from rich.table import Table

app = typer.Typer(add_completion=False)


@app.callback(invoke_without_command=True)
def bench(
    context: typer.Context,
    quick: Annotated[
        bool, typer.Option("--quick", help="Under two minutes: fewer runs, and nothing that sets up a machine.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Draw the bars, ours against peers: an .svg, .png or .pdf file.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """One table of what Hadeda costs: figures, peers, targets. The commands below measure parts of it more closely."""
    if context.invoked_subcommand is not None:
        return
    from hadeda.bench import table
    from hadeda.bench.conditions import Conditions

    rows = table.measure(Conditions(quick, output.say))
    output.console(stderr=as_json).print(table.draw(rows))
    if picture is not None:
        from hadeda.bench.picture import draw as draw_picture

        draw_picture(rows, picture)
    if as_json:
        output.print_json({"rows": [row.answer() for row in rows]})


OptimiseOption = Annotated[
    str, typer.Option("--optimise", help=f"The compiler's level for MicroPython: {', '.join(OPTIMISATIONS)}.")
]


@app.command()
def sign(
    keys: Annotated[int, typer.Option("--keys", min=1, help="So many keys and messages.")] = 5,
    optimise: OptimiseOption = OPTIMISATIONS[0],
    as_json: JsonOption = False,
) -> None:
    """Measure signatures, and everything else a sealed report is made of. Builds its MicroPython the first time."""
    yardstick = _built(optimise)
    _say(measure_sealing(yardstick, keys), yardstick, as_json)


@app.command()
def minimise(
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="So many draws of the noise.")] = 20,
    optimise: OptimiseOption = OPTIMISATIONS[0],
    as_json: JsonOption = False,
) -> None:
    """Measure what minimisation adds to a window: noise, threshold, ledger, and bytes of the report."""
    yardstick = _built(optimise)
    _say(measure_minimising(yardstick, seeds), yardstick, as_json)


def _built(optimise: str) -> Yardstick:
    if optimise not in OPTIMISATIONS:
        raise BenchError(f"no level {optimise}", f"one of {', '.join(OPTIMISATIONS)}")
    return build(optimise)


def _say(values: dict[str, list[int]], yardstick: Yardstick, as_json: bool) -> None:
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
    rows.extend((name, what, values[name][0], None, None) for name, what in figures.BYTES.items() if name in values)
    title = f"MicroPython {yardstick.micropython}, {yardstick.flags}; gcc {yardstick.gcc}; QEMU {yardstick.qemu}"
    return output.table(title, ("", "instructions (bytes at the end)", "median", "least", "most"), rows)


@app.command("setup")
def set_up(
    runs: Annotated[int, typer.Option("--runs", min=1, help="So many new clones.")] = 1, as_json: JsonOption = False
) -> None:
    """Measure how long the demo's first result takes from an empty clone, and once more."""
    from hadeda.bench.set_up import clone, first_result_s

    found = []
    for _ in range(runs):
        with clone() as folder:
            found.append({"cold_s": round(first_result_s(folder), 1), "warm_s": round(first_result_s(folder), 1)})
    rows = [(run["cold_s"], run["warm_s"]) for run in found]
    output.emit({"runs": found}, as_json, lambda: output.table("", ("empty clone, s", "warm, s"), rows))


@app.command()
def emulator(
    board: BoardOption = "esp32-s3-devkitc-1",
    hours: Annotated[float, typer.Option("--hours", min=0.1, help="So long a piece of the street.")] = 24.0,
    start: Annotated[float, typer.Option("--start", min=0, max=24, help="The hour it begins with.")] = 0.0,
    seed: SeedOption = 7,
    as_json: JsonOption = False,
) -> None:
    """Measure what an emulated board costs in CPU seconds, and how often its program turns to the host."""
    from hadeda.bench.emulator import measure

    with output.progress(f"{hours:g} hours of the street", total=math.ceil(hours)) as hour_done:
        cost = measure(load(board), hours=hours, start_hour=start, seed=seed, hour_done=hour_done)
    answer = cost.answer()
    requests = ", ".join(f"{name} {count / cost.seconds:.2f}" for name, count in cost.requests.items())
    rows = [(name.replace("_", " "), value) for name, value in answer.items() if name != "requests_per_second"]
    output.emit(answer, as_json, lambda: output.table("", ("", board), [*rows, ("requests per second", requests)]))
