"""The pictures of a policy. Import this only where one is drawn: matplotlib takes its time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hadeda.errors import PolicyError
from hadeda.pictures import save, style
from hadeda.policy import noise
from hadeda.policy.explain import BELOW_K, NO_BUDGET, Day, duration, every
from hadeda.policy.noise import Counts
from hadeda.policy.schema import Policy, decimal_text
from hadeda.policy.utility import PERIODS, Error, Row

PANELS_MAX: Final = 4
TRUE, RELEASED, WITHHELD, SPENT = "#8a8a8a", "#0b6e99", "#c8553d", "#7a4fa3"
SHADES: Final = ("#08415c", "#1f8fc2", "#f0a202", "#c8553d", "#7a4fa3", "#4c9f70")  # one for each epsilon, then again
SMALL: Final = 8.5
HEAD, FOOT = 1.1, 0.85  # inches above and below the panels of a day


def draw_day(policy: Policy, day: Day, file: Path) -> None:
    """True against released counts over one day, one panel for each of the busiest cells; raises PolicyError."""
    with style():
        busiest = sorted(np.argsort(-day.true.sum(axis=0), kind="stable")[:PANELS_MAX].tolist())
        height = HEAD + FOOT + 1.7 * len(busiest)
        figure = Figure(figsize=(9.5, height))
        panels = figure.subplots(len(busiest), 1, sharex=True, squeeze=False)[:, 0]
        figure.subplots_adjust(0.07, FOOT / height, 0.975, 1 - HEAD / height, hspace=0.42)
        for axes, cell in zip(panels, busiest, strict=True):
            _day_panel(axes, policy, day, cell)
        for axes in panels[:-1]:
            axes.tick_params(axis="x", length=0)
        first, last = _awake(day)
        panels[-1].set_xlim(first, last)
        panels[-1].set_xticks(range(first, last + 1), [f"{hour}:00" for hour in range(first, last + 1)], fontsize=SMALL)
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="lower center", ncols=2 if len(names) < 5 else 3, frameon=False)
        title = f"What passed on a real street, and what the node said of it: {day.date}"
        figure.suptitle(title, x=0.01, y=1 - 0.1 / height, ha="left", va="top", fontsize=12)
        figure.text(0.01, 1 - 0.4 / height, _caption(policy), va="top", fontsize=SMALL, linespacing=1.4)
        save(figure, file, PolicyError)


def draw_utility(policy: Policy, rows: Sequence[Row], file: Path) -> None:
    """Relative error of sums, a panel for each period, a line for each cell and epsilon; raises PolicyError."""
    with style():
        cells = list(dict.fromkeys(row.cell for row in rows))
        epsilons = sorted({row.epsilon_micro for row in rows})
        figure = Figure(figsize=(9.5, 1.5 + 0.22 * len(cells) * (len(epsilons) + 1)), layout="constrained")
        panels = figure.subplots(1, len(PERIODS), sharex=True, sharey=True)
        for axes, period in zip(panels, PERIODS, strict=True):
            for place, epsilon in enumerate(epsilons):
                errors = [row.error[period] for row in rows if row.epsilon_micro == epsilon]
                levels = [cell * (len(epsilons) + 1) + place for cell in range(len(cells))]
                _error_lines(axes, errors, levels, SHADES[place % len(SHADES)])
            axes.set_title(f"sums over an {period}" if period == "hour" else f"sums over a {period}", fontsize=10)
            axes.set_xlabel("median error, %")
            axes.grid(axis="x", alpha=0.3)
            axes.tick_params(axis="y", length=0)
        middles = [(place * (len(epsilons) + 1)) + (len(epsilons) - 1) / 2 for place in range(len(cells))]
        panels[0].set_yticks(middles, [name.replace(", ", "\n") for name in cells])
        panels[0].invert_yaxis()
        panels[0].set_xlim(left=0)
        _utility_legend(figure, epsilons)
        figure.suptitle(
            f"How far the city's sums are from the truth: policy {policy.name}, windows of "
            f"{duration(policy.window_s)}, k = {policy.traffic.k}",
            x=0.01,
            ha="left",
            fontsize=12,
        )
        save(figure, file, PolicyError)


def _awake(day: Day) -> tuple[int, int]:
    """From which hour to which the street file has data on this day: the whole hours around it."""
    known = np.flatnonzero(day.known)
    return int(known[0] * day.window_s // 3600), -(-int(known[-1] + 1) * day.window_s // 3600)


def _caption(policy: Policy) -> str:
    traffic = policy.traffic
    return (
        f"{every(policy.window_s).capitalize()} the node adds noise to each count and forgets what it counted. "
        f"95 times in 100 the noise is at most {noise.interval(traffic.epsilon_release)}.\n"
        f"A number below {traffic.k} is not told at all. (Policy {policy.name}, version {policy.version}: "
        f"epsilon = {decimal_text(traffic.epsilon_release)}, k = {traffic.k}.)"
    )


def _day_panel(axes: Axes, policy: Policy, day: Day, cell: int) -> None:
    hours = (np.arange(len(day.true)) + 0.5) * day.window_s / 3600
    edges = np.arange(len(day.true) + 1) * day.window_s / 3600
    far = noise.interval(policy.traffic.epsilon_release)
    true, out = day.true[:, cell], day.released[:, cell]
    axes.stairs(
        np.where(day.known, true, np.nan), edges, color=TRUE, lw=1.3, label="what passed: never leaves the node"
    )
    axes.stairs(
        np.where(day.known, true + far, np.nan),
        edges,
        baseline=np.maximum(true - far, 0),
        fill=True,
        color=TRUE,
        alpha=0.22,
        lw=0,
        label="where 95 of 100 released numbers fall",
    )
    kept = (out >= 0) & day.known
    axes.plot(hours[kept], out[kept], "o", color=RELEASED, markersize=3.2, label="what the city reads")
    _silent(axes, hours[(out == BELOW_K) & day.known], WITHHELD, f"not told: below {policy.traffic.k}")
    if policy.windows_paid < policy.windows_per_day:
        _silent(axes, hours[(out == NO_BUDGET) & day.known], SPENT, "not told: the day's budget is spent")
    if not day.known[slice(*np.flatnonzero(day.known)[[0, -1]])].all():
        top = float(true.max() + far)
        axes.stairs(np.where(day.known, np.nan, top), edges, fill=True, color="#f3ead8", lw=0, label="nobody counted")
    axes.set_title(day.cells[cell], loc="left", fontsize=9.5, fontweight="bold")
    axes.set_ylabel(f"in {duration(day.window_s)}", fontsize=SMALL)
    axes.set_ylim(bottom=0)


def _silent(axes: Axes, hours: Counts, colour: str, label: str) -> None:
    """Marks on the time axis where nothing was told."""
    axes.plot(hours, np.zeros(len(hours)), "x", color=colour, markersize=4.5, mew=1.2, label=label, clip_on=False)


def _error_lines(axes: Axes, errors: Sequence[Error | None], levels: Sequence[int], colour: str) -> None:
    """For each cell a line from the error that noise alone makes to the one of what is released."""
    found = [
        (100 * error.noise_alone, 100 * error.median, level)
        for error, level in zip(errors, levels, strict=True)
        if error
    ]
    if found:
        alone, told, at = zip(*found, strict=True)
        axes.hlines(at, alone, told, color=colour, lw=1.2, alpha=0.6)
        axes.plot(alone, at, "o", color=colour, markersize=4.5, mfc="white")
        axes.plot(told, at, "o", color=colour, markersize=4.5)


def _utility_legend(figure: Figure, epsilons: Sequence[int]) -> None:
    marks = [
        Line2D([], [], color=SHADES[place % len(SHADES)], lw=2.5, label=f"epsilon {decimal_text(epsilon)} a window")
        for place, epsilon in enumerate(epsilons)
    ]
    for fill, label in (("#444444", "as the city reads them"), ("white", "if nothing were withheld")):
        marks.append(Line2D([], [], color="#444444", mfc=fill, ls="", marker="o", markersize=4.5, label=label))
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), frameon=False, columnspacing=1)
