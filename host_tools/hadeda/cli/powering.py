"""What `hadeda board power` does."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hadeda.board import Board, load, load_parts
from hadeda.cli import output
from hadeda.policy.files import read_policy
from hadeda.power.budget import Awake, Budget, budgets
from hadeda.power.measure import measure
from hadeda.power.winter import Day, Site, live

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class Wish:
    """What was asked for."""

    board: str
    policy: Path
    windows: int
    boot_s: float
    site: Site
    picture: Path | None
    seed: int


def budget(wish: Wish, as_json: bool) -> None:
    """Measure, count, draw, say."""
    from hadeda.power.picture import draw

    board, policy = load(wish.board), read_policy(wish.policy)
    total_s = (wish.windows + 1) * policy.model.window_s
    with output.progress(f"{wish.windows + 1} windows of an emulated node", total=total_s * 1_000_000) as done:
        awake = measure(board, policy, wish.windows, wish.seed, done)
    found = budgets(board, load_parts(), awake, wish.boot_s, policy.model.footfall is not None)
    days = [live(wish.site, row.load_w) for row in found]
    file = wish.picture or Path(f"{board.name}-power.svg")
    draw(board, found, days, file)
    data = _answer(board, awake, found, days) | {"picture": file}
    output.emit(data, as_json, lambda: _drawn(board, awake, found, days))
    if not as_json:
        output.say(f"picture of a winter's day: {file}")


def _answer(board: Board, awake: Awake, found: Sequence[Budget], days: Sequence[Day]) -> dict[str, Any]:
    return {
        "board": board.name,
        "measured": vars(awake),
        "budgets": [
            {
                "name": row.name,
                "without": list(row.without),
                "mah_a_day": round(row.mah, 1),
                "wh_a_day": round(row.wh, 2),
                "lines": [vars(line) | {"mah": round(line.mah, 2)} for line in row.lines],
                "dark_days": round(day.dark_days, 1),
                "lasts_days": None if math.isinf(day.lasts_days) else round(day.lasts_days, 1),
                "panel_needed_w": None if math.isinf(day.panel_w) else round(day.panel_w, 1),
            }
            for row, day in zip(found, days, strict=True)
        ],
    }


def _drawn(board: Board, awake: Awake, found: Sequence[Budget], days: Sequence[Day]) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    window = f"windows of {awake.window_s} s"
    seen = (
        f"Measured on the emulator, {awake.seconds:.0f} s in {window}: {awake.sessions} radio sessions of "
        f"{awake.radio_s / max(awake.sessions, 1):.1f} s, {awake.sent_bytes} bytes sent, {awake.wakes} wake-ups."
    )
    said = (
        "Currents are the datasheets' as we know them; computing, TLS and the start from deep sleep are assumed "
        "(host_tools/hadeda/power/budget.py). Nothing of it was measured on silicon."
    )
    tables = [
        output.table(
            f"{row.name}{', without ' + ', '.join(row.without) if row.without else ''}",
            ("what", "mA", "s a day", "mAh a day"),
            [*((line.what, f"{line.current_ma:g}", f"{line.seconds:.0f}", f"{line.mah:.1f}") for line in row.lines),
             ("sum at 5 V", "", "", f"{row.mah:.0f}")],
        )
        for row in found
    ]  # fmt: skip
    rows = [
        (row.name, f"{row.mah:.0f}", f"{row.wh:.1f}", f"{day.dark_days:.1f}", _days(day.lasts_days), _watts(day))
        for row, day in zip(found, days, strict=True)
    ]
    columns = ("", "mAh a day", "Wh a day", "days without sun", "days of winter", "panel that is enough")
    title = f"{board.title}: battery {days[0].site.battery_wh:g} Wh, panel {days[0].site.panel_w:g} W"
    return Group(Text(seen), Text(said + "\n"), *tables, output.table(title, columns, rows))


def _days(days: float) -> str:
    return "for ever" if math.isinf(days) else f"{days:.0f}"


def _watts(day: Day) -> str:
    return "none" if math.isinf(day.panel_w) else f"{day.panel_w:.0f} W"
