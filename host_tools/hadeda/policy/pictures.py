"""The pictures of a policy, as SVG. Import this only where one is drawn: matplotlib takes its time.

No window is opened and no global state kept; the same numbers give the same file.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hadeda.errors import PolicyError
from hadeda.policy import noise
from hadeda.policy.explain import Day
from hadeda.policy.schema import MICRO, Policy, decimal_text
from hadeda.policy.utility import ALL_CELLS, PERIODS, Row

PANELS_MAX: Final = 4
TRUE, RELEASED, WITHHELD = "#9a9a9a", "#0b6e99", "#c8553d"


def draw_day(policy: Policy, day: Day, file: Path) -> None:
    """True against released counts over one day, one panel for each of the busiest cells; raises PolicyError."""
    with _style():
        busiest = sorted(np.argsort(-day.true.sum(axis=0), kind="stable")[:PANELS_MAX].tolist())
        figure = Figure(figsize=(9, 1.0 + 2.0 * len(busiest)), layout="constrained")
        panels = figure.subplots(len(busiest), 1, sharex=True, squeeze=False)[:, 0]
        for axes, cell in zip(panels, busiest, strict=True):
            _day_panel(axes, policy, day, cell)
        panels[0].legend(loc="upper left", bbox_to_anchor=(0, 1.42), ncols=5, frameon=False)
        panels[-1].set_xticks(range(0, 25, 3), [f"{hour:02d}:00" for hour in range(0, 25, 3)])
        epsilon = decimal_text(policy.traffic.epsilon_release)
        figure.suptitle(
            f"{policy.name} {policy.version} on a real street, {day.date}: k = {policy.traffic.k}, "
            f"epsilon = {epsilon} for each window of {day.window_s} s",
            fontsize=10,
        )
        _save(figure, file)


def draw_utility(rows: Sequence[Row], file: Path) -> None:
    """Relative error over epsilon, one panel for each period, one line for each cell; raises PolicyError."""
    with _style():
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        panels = figure.subplots(1, len(PERIODS), sharey=True)
        cells = list(dict.fromkeys(row.cell for row in rows))
        for axes, period in zip(panels, PERIODS, strict=True):
            for cell in cells:
                points = [(row.epsilon_micro / MICRO, row.error[period]) for row in rows if row.cell == cell]
                kept = [(epsilon, 100 * error) for epsilon, error in points if error is not None]
                style = "--" if cell == ALL_CELLS else "-"
                axes.plot([x for x, _ in kept], [y for _, y in kept], style, marker="o", markersize=3, label=cell)
            axes.set_title(f"sums over an {period}" if period == "hour" else f"sums over a {period}", fontsize=10)
            axes.set_xlabel("epsilon per window")
            axes.set_ylim(bottom=0)
            axes.grid(alpha=0.3)
        panels[0].set_ylabel("median relative error, %")
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)
        _save(figure, file)


def _style() -> AbstractContextManager[None]:
    """Our settings for as long as a picture takes; a fixed salt makes the SVG's identifiers repeatable."""
    return mpl.rc_context(
        {"svg.hashsalt": "hadeda", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )


def _day_panel(axes: Axes, policy: Policy, day: Day, cell: int) -> None:
    hours = (np.arange(len(day.true)) + 0.5) * day.window_s / 3600
    edges = np.arange(len(day.true) + 1) * day.window_s / 3600
    far = noise.interval(policy.traffic.epsilon_release)
    true, out = day.true[:, cell], day.released[:, cell]
    axes.stairs(
        true + far,
        edges,
        baseline=np.maximum(true - far, 0),
        fill=True,
        color=TRUE,
        alpha=0.25,
        lw=0,
        label="where 95 of 100 fall",
    )
    axes.stairs(true, edges, color=TRUE, lw=1.2, label="true (never sent)")
    unknown = np.where(day.known, np.nan, axes.get_ylim()[1])
    axes.stairs(unknown, edges, fill=True, color="#f3ead8", lw=0, label="no data")
    kept = out >= 0
    axes.plot(hours[kept], out[kept], ".", color=RELEASED, markersize=4, label="released")
    axes.plot(hours[~kept], np.zeros(int((~kept).sum())), "|", color=WITHHELD, markersize=6, label="withheld")
    axes.set_title(day.cells[cell], loc="right", fontsize=9)
    axes.set_ylabel("passages")
    axes.set_xlim(0, 24)


def _save(figure: Figure, file: Path) -> None:
    if file.suffix.lower() not in (".svg", ".png", ".pdf"):
        raise PolicyError(f"{file} is no picture's name", "end it in .svg, .png or .pdf")
    date = {"Date": None} if file.suffix.lower() == ".svg" else None
    try:
        figure.savefig(file, metadata=date)
    except OSError as error:
        raise PolicyError(f"{file} cannot be written ({error.strerror})", "name a file you may write") from error
