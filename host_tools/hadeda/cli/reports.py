"""`hadeda reports`: what the city has received. Exposes `command`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hadeda.city import City
from hadeda.cli import output
from hadeda.cli.options import CityOption, JsonOption
from hadeda.registry import StoredReport, count_reports, reports

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = 24


def command(
    node: Annotated[str | None, typer.Option("--node", metavar="NODE", help="Only this node (name or id).")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="The newest so many; 0 is all.")] = SHOWN,
    city_dir: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """List reports, oldest first: means of the air, passages counted, faults. --json has all of each report."""
    with City.open(city_dir) as city:
        found = reports(city.database, node, limit or None)
        total = count_reports(city.database)
    output.emit([asdict(report) for report in found], as_json, lambda: draw(found, total))


def draw(found: Sequence[StoredReport], total: int) -> "Table":
    """A table of reports: one row each, one column for each air channel that any of them has."""
    units = {reading.channel: reading.unit for report in found for reading in report.air}
    header = ("window (UTC)", "node", *(f"{name} {unit}" for name, unit in units.items()), "traffic", "faults", "bytes")
    return output.table(f"{len(found)} of {total} reports", header, (_row(report, tuple(units)) for report in found))


def _row(report: StoredReport, channels: Sequence[str]) -> tuple[object, ...]:
    means = {reading.channel: f"{reading.mean:g}" for reading in report.air}
    window = f"{report.window_start:%Y-%m-%d %H:%M} +{report.window_s / 60:g} min"
    if report.clock != "synchronised":
        window += f" (clock {report.clock})"
    faults = ", ".join(f"{fault.part}: {fault.kind} x{fault.count}" for fault in report.faults)
    return (
        window,
        report.node,
        *(means.get(channel) for channel in channels),
        _traffic(report),
        faults,
        report.sealed_bytes,
    )


def _traffic(report: StoredReport) -> str:
    counts = [cell.count for cell in report.traffic if cell.count is not None]
    withheld = len(report.traffic) - len(counts)
    return f"{sum(counts)}" + (f" ({withheld} cells withheld)" if withheld else "") if report.traffic else ""
