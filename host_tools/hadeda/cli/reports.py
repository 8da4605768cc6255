"""`hadeda reports`: what the city has received. Exposes `command`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hadeda.city import City
from hadeda.cli import output
from hadeda.cli.options import CityOption, JsonOption
from hadeda.collect.footfall import MEANING, about
from hadeda.envelope.labels import CLOCK_SYNCHRONISED
from hadeda.envelope.report import CLOCK_WORDS
from hadeda.policy.schema import decimal_text, spent_text
from hadeda.registry import StoredReport, count_reports, reports
from hadeda.registry.outbox import count_lost

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = 24


def command(
    node: Annotated[str | None, typer.Option("--node", metavar="NODE", help="Only this node (name or id).")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="The newest so many; 0 is all.")] = SHOWN,
    city_dir: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """List reports, oldest first: means of the air, passages, epsilon spent, what is withheld or failed.

    Passages carry the node's noise. --json has all of each report; there epsilon and spent are in millionths.
    """
    with City.open(city_dir) as city:
        found = reports(city.database, node, limit or None)
        total = count_reports(city.database)
        lost = count_lost(city.database)
    output.emit([asdict(report) for report in found], as_json, lambda: draw(found, total, lost))


def draw(found: Sequence[StoredReport], total: int, lost: int = 0) -> "Table":
    """A table of reports: one row each, one column for each air channel that any of them has."""
    units = {reading.channel: reading.unit for report in found for reading in report.air}
    air = (f"{_in_lines(name)}\n{unit}" for name, unit in units.items())
    heard = ("footfall\n(noised)",) if any(report.footfall for report in found) else ()
    counts = ("passages\n(noised)", *heard, "policy", "epsilon\n/day")
    header = ("window\n(UTC)", "min", "node", *air, *counts, "notes", "bytes")
    rows = (_row(report, tuple(units), bool(heard)) for report in found)
    missing = f", {lost} lost for good (see `hadeda node show`)" if lost else ""
    drawn = output.table(f"{len(found)} of {total} reports{missing}", header, rows)
    for place in (0, -3):
        drawn.columns[place].no_wrap = True
    if heard:
        drawn.caption = f"Footfall: {MEANING}."
    return drawn


def _in_lines(name: str) -> str:
    """`relative_humidity` in two lines, `pm2_5` in one."""
    return name.replace("_", "\n") if name.replace("_", "").isalpha() else name


def _row(report: StoredReport, channels: Sequence[str], heard: bool) -> tuple[object, ...]:
    means = {reading.channel: f"{reading.mean:g}" for reading in report.air}
    counts = [cell.count for cell in report.traffic if cell.count is not None]
    return (
        f"{report.window_start:%Y-%m-%d %H:%M}",
        report.window_s // 60,
        report.node,
        *(means.get(channel) for channel in channels),
        sum(counts) if counts else None,
        *([about(report.footfall) if report.footfall else None] if heard else ()),
        report.policy_version or "none",
        f"{decimal_text(report.epsilon)}/{spent_text(report.spent)}",
        "; ".join(_notes(report)),
        report.sealed_bytes,
    )


def _notes(report: StoredReport) -> Iterator[str]:
    """What to know before reading the row's figures as they stand."""
    withheld = Counter(cell.withheld for cell in report.traffic if cell.count is None)
    if withheld:
        why = ", ".join(f"{number} {reason}" for reason, number in withheld.items())
        yield f"{withheld.total()} of {len(report.traffic)} cells withheld: {why}"
    if report.footfall and report.footfall.withheld:
        yield f"footfall withheld: {report.footfall.withheld}"
    for fault in report.faults:
        yield f"{fault.part} {fault.kind} x{fault.count}"
    if report.clock != CLOCK_WORDS[CLOCK_SYNCHRONISED]:
        yield f"clock {report.clock}"
