"""The demo as a person sees it: three columns, from raw events through sealed bytes to what the city reads."""

from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hadeda.collect.collector import Status
from hadeda.demo.corner import Corner
from hadeda.registry.reports import StoredReport

EVENT_ROWS = 16
MESSAGE_ROWS = 9
REPORT_ROWS = 9


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
    return Group(headline, grid)


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
    for name in ("window", "°C", "hPa", "PM2.5", "passages (speed bands)"):
        table.add_column(
            name, no_wrap=True, justify="left" if name in ("window", "passages (speed bands)") else "right"
        )
    for report in stored[-REPORT_ROWS:]:
        air = {reading.channel: reading.mean for reading in report.air}
        table.add_row(
            report.window_start.strftime("%H:%M"),
            _number(air.get("temperature"), 1),
            _number(air.get("pressure"), 1, 100.0),
            _number(air.get("pm2_5"), 1),
            _cells(report),
        )
    shown: list[RenderableType] = [table]
    if stored:
        newest = stored[-1]
        shown.append(
            Text(
                f"\n{_legend(newest)}\nclock {newest.clock}, heap high water {newest.health.heap_high_water_bytes}",
                "dim",
            )
        )
    return Panel(Group(*shown), title="what the city reads", subtitle="aggregates of 15 minutes", border_style="green")


def _number(value: float | None, digits: int, divisor: float = 1.0) -> str:
    return "-" if value is None else f"{value / divisor:.{digits}f}"


def _cells(report: StoredReport) -> str:
    by_direction: dict[str, list[str]] = {}
    for cell in report.traffic:
        by_direction.setdefault(cell.direction, []).append("·" if cell.count is None else str(cell.count))
    return "   ".join(f"{direction[:2]} {'/'.join(counts)}" for direction, counts in by_direction.items())


def _legend(report: StoredReport) -> str:
    bands = list(dict.fromkeys(cell.speed_band_kmh for cell in report.traffic))
    directions = list(dict.fromkeys(cell.direction for cell in report.traffic))
    names = ", ".join(f"{name[:2]} {name}" for name in directions)
    return f"{names}; km/h {' / '.join(bands)}"
