"""`hadeda demo`: the whole line on this machine, live. Exposes `command`."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hadeda.board import load
from hadeda.cli import output
from hadeda.cli.options import AirOption, JsonOption, SeedOption, StreetOption
from hadeda.errors import HadedaError

if TYPE_CHECKING:
    from hadeda.demo.corner import Corner
    from hadeda.registry.reports import StoredReport

BOARD = "esp32-s3-devkitc-1"
PATIENCE_S = 240.0  # for eight windows at the default speed, on a busy machine
REFRESH_S = 0.25


class DemoError(HadedaError):
    """The demo's own promise did not hold: a report is missing, refused or was stored twice."""


def command(
    windows: Annotated[
        int, typer.Option("--windows", min=1, max=200, help="Full windows of 15 minutes to wait for.")
    ] = 8,
    speed: Annotated[float, typer.Option("--speed", min=1, help="How much faster than the wall clock.")] = 300.0,
    board: Annotated[str, typer.Option("--board", metavar="BOARD", help="Which board to emulate.")] = BOARD,
    street: StreetOption = None,
    air: AirOption = None,
    seed: SeedOption = 7,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE.svg", help="Keep the last picture as an SVG.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Provision an emulated node on a real street, let two hours go by, and read what the city gets.

    Everything is made in a temporary folder and gone afterwards. Exit status 0 only if every report the node sealed was
    acknowledged, verified, decrypted and stored exactly once. The picture, and --json, show true counts beside released
    ones: the true ones are the street's own and never leave this process.
    """
    from hadeda.demo.corner import Corner
    from hadeda.scenario import World

    started = time.monotonic()
    described = load(board)
    world = World(street, air, seed=seed)
    output.say(f"a city, a broker, a collector and an emulated {described.title}")
    with Corner(described, world, seed=seed, pace=speed) as corner:
        corner.provision(lambda text: output.say(f"  {text}"))
        watch(corner, windows, PATIENCE_S * max(1.0, windows / 8) * max(1.0, 300.0 / speed), picture)
        corner.let_it_hang_up()
        summary = account(corner, time.monotonic() - started)
    if as_json:
        output.print_json(summary)
    else:
        output.say(
            f"{summary['sealed']} reports sealed, {summary['stored']} stored, {summary['rejected']} rejected, "
            f"at most {summary['bytes_per_report_max']} bytes each, {summary['seconds']:.0f} s"
        )
    judge(summary)


def watch(corner: "Corner", wanted: int, patience_s: float, picture: Path | None) -> None:
    """Show the corner until the city has `wanted` reports; raises DemoError after `patience_s`."""
    from rich.live import Live

    from hadeda.demo.picture import draw

    console = output.console(stderr=True)
    deadline = time.monotonic() + patience_s
    told = 0
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            corner.check()
            stored = corner.stored()
            if console.is_terminal:
                live.update(draw(corner, wanted, stored), refresh=True)
            else:
                told = tell(corner, told)
            if full_windows(corner, stored) >= wanted:
                break
            if time.monotonic() > deadline:
                said = bytes(corner.emulated.output).decode(errors="replace").strip().rsplit("\n", 1)[-1]
                raise DemoError(
                    f"only {full_windows(corner, stored)} of {wanted} windows arrived in {patience_s:.0f} s",
                    f"the node said: {said}",
                )
            time.sleep(REFRESH_S)
    if console.is_terminal:
        console.print(draw(corner, wanted, stored))
    if picture is not None:
        save(picture, draw(corner, wanted, stored))


def full_windows(corner: "Corner", stored: "list[StoredReport]") -> int:
    """How many different windows of full length the city has; the first one after a start is shorter."""
    return len({report.window_start for report in stored if report.window_s == corner.policy.window_s})


def tell(corner: "Corner", told: int) -> int:
    """One line for every new message, where nobody looks at a terminal; returns how many were told."""
    outcomes = list(corner.seen.outcomes)
    for outcome in outcomes[told:]:
        window = outcome.window_start.strftime("%H:%M") if outcome.window_start else "--:--"
        output.say(f"  window {window}: {outcome.size} bytes, number {outcome.sequence}, {outcome.status.value}")
    return len(outcomes)


def save(picture: Path, drawing: Any) -> None:
    """Write the drawing as an SVG."""
    import io

    from rich.console import Console

    canvas: Console = Console(record=True, width=150, file=io.StringIO(), force_terminal=True)
    canvas.print(drawing)
    canvas.save_svg(str(picture), title="hadeda demo")


def account(corner: "Corner", seconds: float) -> dict[str, Any]:
    """What happened, in figures; the node is asked over its cable what it sealed."""
    from hadeda.collect.collector import Status

    ledger = corner.ledger()
    stored = corner.stored()
    return {
        "board": corner.board.name,
        "micropython": corner.emulated.interpreter.version,
        "windows": full_windows(corner, stored),
        "different": len({report.window_start for report in stored}),
        "sealed": ledger.sealed,
        "waiting": ledger.waiting,
        "stored": len(stored),
        "rejected": corner.count(Status.REJECTED),
        "replayed": corner.count(Status.REPLAYED),
        "bytes_per_report_max": max(report.sealed_bytes for report in stored),
        "heap_peak_bytes": corner.heap_peak(),
        "faults": sum(fault.count for report in stored for fault in report.faults),
        "raw_events": corner.seen.event_count,
        "counts": [counted(corner, report) for report in stored],
        "epsilon_day": corner.policy.epsilon_day,
        "epsilon_spent_max": max(report.spent for report in stored),
        "seconds": round(seconds, 1),
    }


def counted(corner: "Corner", report: "StoredReport") -> dict[str, Any]:
    """One window's counts, true beside released; what is withheld is null, with its reason."""
    return {
        "window_start": report.window_start,
        "window_s": report.window_s,
        "policy": report.policy_version,
        "epsilon": report.epsilon,
        "true": corner.truth(report),
        "released": [cell.count for cell in report.traffic],
        "withheld": [cell.withheld for cell in report.traffic],
    }


def judge(summary: dict[str, Any]) -> None:
    """Raise DemoError unless every sealed report was stored exactly once, and the node knows of most of them."""
    from hadeda.collect.letters import RECEIPT_EVERY

    promises = {
        "every sealed report is stored": summary["stored"] == summary["sealed"],
        "the city's receipts arrive": summary["waiting"] < max(summary["sealed"], 2 * RECEIPT_EVERY),
        "every window is stored once": summary["different"] == summary["stored"],
        "nothing was rejected": summary["rejected"] == 0 and summary["replayed"] == 0,
        "the day's epsilon is kept": summary["epsilon_spent_max"] <= summary["epsilon_day"],
        "a report has at most 256 bytes": summary["bytes_per_report_max"] <= 256,
    }
    broken = [name for name, held in promises.items() if not held]
    if broken:
        sys.stdout.flush()
        raise DemoError(f"not true in this run: {'; '.join(broken)}", "run it again with the same --seed and report it")
