"""The picture of a winter's day: sun and loads above, the battery below."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from hadeda.board import Board
from hadeda.errors import BoardError
from hadeda.pictures import save, style
from hadeda.power.budget import Budget
from hadeda.power.winter import CONVERTER, STEP_H, STEPS, Day, sun_w

SUN: Final = "#f0a202"
SHADES: Final = ("#c8553d", "#1f8fc2", "#08415c")
SMALL: Final = 8.5


def draw(board: Board, budgets: Sequence[Budget], days: Sequence[Day], file: Path) -> None:
    """Write it; raises `BoardError` where the file will not do."""
    site = days[0].site
    with style():
        figure = Figure(figsize=(9.5, 5.6), layout="constrained")
        power, battery = figure.subplots(2, 1, sharex=True)
        middles = [(step + 0.5) * STEP_H for step in range(STEPS)]
        power.fill_between(middles, [sun_w(site, hour) for hour in middles], color=SUN, alpha=0.5, lw=0, label="sun")
        edges = [step * STEP_H for step in range(STEPS + 1)]
        for budget, day, shade in zip(budgets, days, SHADES, strict=False):
            power.axhline(day.load_w / CONVERTER, color=shade, lw=1.4, label=_label(budget))
            battery.plot(edges, [100 * held / site.battery_wh for held in day.stored_wh], color=shade, lw=1.6)
        power.set_ylabel("W, at the battery")
        power.set_ylim(bottom=0)
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=SMALL)
        battery.set_ylabel("battery, %")
        battery.set_ylim(0, 100)
        battery.set_xlim(0, 24)
        battery.set_xticks(range(0, 25, 3), [f"{hour}:00" for hour in range(0, 25, 3)], fontsize=SMALL)
        battery.grid(axis="y", alpha=0.3)
        figure.suptitle(
            f"{board.title}: the shortest day at latitude {site.latitude_deg:g}, {site.sun:.0%} of a clear sky\n"
            f"panel {site.panel_w:g} W, flat; battery {site.battery_wh:g} Wh, half full at midnight",
            x=0.01,
            ha="left",
            fontsize=11,
        )
        save(figure, file, BoardError)


def _label(budget: Budget) -> str:
    left_out = f", without {', '.join(budget.without)}" if budget.without else ""
    return f"{budget.name}{left_out}: {budget.mah:.0f} mAh a day"
