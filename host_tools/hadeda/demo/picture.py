"""The demo as a person sees it: three columns, from raw events through sealed bytes to what the city reads.

Below them the counts: what really passed, which stays here, beside what the node released.
"""

from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hadeda.collect.collector import Status
from hadeda.demo.corner import Corner
from hadeda.policy.schema import decimal_text, spent_text
from hadeda.policy.street import cells_in
from hadeda.registry.reports import CellCount, StoredReport

EVENT_ROWS = 12
MESSAGE_ROWS = 6
REPORT_ROWS = 8
COUNT_ROWS = 8


def clock(t: float) -> str:
    """Street time of day."""
    return datetime.fromtimestamp(t, UTC).strftime("%H:%M:%S")


def draw(corner: Corner, wanted: int, stored: list[StoredReport]) -> RenderableType:
    """The whole picture at this moment."""
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(ratio=10)
    grid.add_column(ratio=11)
    grid.add_column(ratio=15)
    grid.add_row(_saw(corner), _left(corner), _reads(stored))
    headline = Text.assemble(
        ("Hadeda ", "bold"),
        f"{corner.board.title} · street time {clock(corner.emulated.now())} · "
        f"{len(stored)} reports with the city, {wanted} full windows wanted · {corner.count(Status.REJECTED)} rejected",
    )
    return Group(headline, grid, _counted(corner, stored))


def _saw(corner: Corner) -> Panel:
    events = list(corner.seen.events)
    traffic = [(t, text) for t, text in events if "km/h" in text]
    lines = [Text.assemble((clock(t), "dim"), " ", text, overflow="ellipsis", no_wrap=True) for t, text in traffic]
    shown: list[RenderableType] = list(lines[-EVENT_ROWS:])
    shown += [Text("")] * (EVENT_ROWS - len(shown))
    shown.append(Text(f"{corner.seen.event_count} raw events so far, all of them gone", style="dim"))
    return Panel(Group(*shown), title="what the sensors saw", subtitle="never leaves the node", border_style="yellow")


def _left(corner: Corner) -> Panel:
    rows: list[RenderableType] = []
    for outcome in corner.seen.outcomes[-MESSAGE_ROWS:]:
        sealed = Text.assemble((f"{outcome.size:>4} bytes ", "bold"), ("no. ", "dim"), str(outcome.sequence))
        sealed.append(f"  {outcome.status.value}", style="green" if outcome.status is Status.STORED else "red")
        rows.append(sealed)
    rows += [Text("")] * (MESSAGE_ROWS - len(rows))
    tail = corner.seen.wire_tail.hex()
    rows.append(Text(f"\nlast bytes on the air, TLS outside, COSE inside:\n{tail[:128]}", style="dim", overflow="fold"))
    rows.append(Text(f"{corner.seen.wire_bytes} bytes sent, radio overhead of TLS included", style="dim"))
    return Panel(Group(*rows), title="what left the node", subtitle="signed, then encrypted", border_style="cyan")


def _reads(stored: list[StoredReport]) -> Panel:
    table = Table(box=None, padding=(0, 1), expand=True)
    for name in ("window", "°C", "hPa", "PM2.5", "passages"):
        table.add_column(name, no_wrap=True, justify="left" if name == "window" else "right")
    for report in stored[-REPORT_ROWS:]:
        air = {reading.channel: reading.mean for reading in report.air}
        table.add_row(
            report.window_start.strftime("%H:%M"),
            _number(air.get("temperature"), 1),
            _number(air.get("pressure"), 1, 100.0),
            _number(air.get("pm2_5"), 1),
            _passages(report),
        )
    shown: list[RenderableType] = [table]
    if stored:
        newest = stored[-1]
        words = f"\nclock {newest.clock}, heap high water {newest.health.heap_high_water_bytes}"
        shown.append(Text(words, "dim"))
    return Panel(
        Group(*shown), title="what the city reads", subtitle="one report for each window", border_style="green"
    )


def _counted(corner: Corner, stored: list[StoredReport]) -> Panel:
    """Each cell of the newest windows: who really passed, and what the node said of it."""
    policy = corner.policy
    table = Table(box=None, padding=(0, 1), expand=True)
    table.add_column("window", no_wrap=True)
    for cell in cells_in(policy.cells):
        table.add_column(f"{cell.cls} {cell.direction}\n{cell.speed}", justify="right")
    table.add_column("epsilon\nof day", justify="right")
    for report in stored[-COUNT_ROWS:]:
        cells = [_cell(*pair) for pair in zip(corner.truth(report), report.traffic, strict=True)]
        cells += [Text("")] * (len(table.columns) - 2 - len(cells))
        spent = f"{decimal_text(report.epsilon)}\u2009/\u2009{spent_text(report.spent)}"
        table.add_row(report.window_start.strftime("%H:%M"), *cells, spent)
    law = (
        f"policy {policy.name} {policy.version}: noise with epsilon {decimal_text(policy.epsilon_release)} a window, "
        f"{decimal_text(policy.epsilon_day)} a day; a count below {policy.k}, noise included, stays on the node"
    )
    return Panel(
        Group(table, Text(law, "dim")),
        title="counts: true (never sent) \u2192 released",
        subtitle="noise is drawn once, on the node, before the window begins",
        border_style="magenta",
    )


def _cell(true: int, cell: CellCount) -> Text:
    said = cell.withheld or "" if cell.count is None else str(cell.count)
    return Text.assemble((str(true), "yellow"), " \u2192 ", (said, "green" if cell.count is not None else "dim"))


def _number(value: float | None, digits: int, divisor: float = 1.0) -> str:
    return "-" if value is None else f"{value / divisor:.{digits}f}"


def _passages(report: StoredReport) -> str:
    """The sum of what was released."""
    counts = [cell.count for cell in report.traffic if cell.count is not None]
    return str(sum(counts)) if counts else "\u00b7"
