"""`hadeda reports`: what the city has received. Exposes `command`."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hadeda.city import City
from hadeda.cli import output
from hadeda.cli.options import CityOption, JsonOption
from hadeda.envelope.labels import CLOCK_SYNCHRONISED
from hadeda.envelope.report import CLOCK_WORDS
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
    """List reports, oldest first: means of the air, passages, what is withheld or failed. --json has all of each."""
    with City.open(city_dir) as city:
        found = reports(city.database, node, limit or None)
        total = count_reports(city.database)
    output.emit([asdict(report) for report in found], as_json, lambda: draw(found, total))


def draw(found: Sequence[StoredReport], total: int) -> "Table":
    """A table of reports: one row each, one column for each air channel that any of them has."""
    units = {reading.channel: reading.unit for report in found for reading in report.air}
    air = (f"{_in_lines(name)}\n{unit}" for name, unit in units.items())
    header = ("window\n(UTC)", "min", "node", *air, "passages", "notes", "bytes")
    drawn = output.table(f"{len(found)} of {total} reports", header, (_row(report, tuple(units)) for report in found))
    drawn.columns[0].no_wrap = True
    return drawn


def _in_lines(name: str) -> str:
    """`relative_humidity` in two lines, `pm2_5` in one."""
    return name.replace("_", "\n") if name.replace("_", "").isalpha() else name


def _row(report: StoredReport, channels: Sequence[str]) -> tuple[object, ...]:
    means = {reading.channel: f"{reading.mean:g}" for reading in report.air}
    counts = [cell.count for cell in report.traffic if cell.count is not None]
    return (
        f"{report.window_start:%Y-%m-%d %H:%M}",
        report.window_s // 60,
        report.node,
        *(means.get(channel) for channel in channels),
        sum(counts) if counts else None,
        "; ".join(_notes(report, len(report.traffic) - len(counts))),
        report.sealed_bytes,
    )


def _notes(report: StoredReport, withheld: int) -> Iterator[str]:
    """What to know before reading the row's figures as they stand."""
    if withheld:
        yield f"{withheld} of {len(report.traffic)} cells withheld"
    for fault in report.faults:
        yield f"{fault.part} {fault.kind} x{fault.count}"
    if report.clock != CLOCK_WORDS[CLOCK_SYNCHRONISED]:
        yield f"clock {report.clock}"
