"""What the city still gets: how far sums of released counts are from the truth, on a real month.

For each epsilon and seed every known window gets its noise and its threshold, exactly as on a node; the sum of what was
released over an hour, a day or a week is compared with the truth, a withheld cell counting as nothing. One number for
each cell: the median relative error over all hours (days, weeks) in which somebody passed, then the median over the
seeds. The day's budget is taken to be enough for every window, or two epsilons could not be compared.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hadeda.policy import noise
from hadeda.policy.noise import Counts
from hadeda.policy.schema import DAY_S, Policy, decimal_text
from hadeda.policy.street import Street

PERIODS: Final = {"hour": 3600, "day": DAY_S, "week": 7 * DAY_S}
ALL_CELLS: Final = "all cells together"
SAMPLER: Final = "numpy: the difference of two geometric numbers, discrete Laplace in double precision"


@dataclass(frozen=True)
class Row:
    """One cell at one epsilon. Errors are shares (0.1 is 10 %); None where a window is longer than the period."""

    cell: str
    epsilon_micro: int
    mean_count: float
    released: float
    error: dict[str, float | None]

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "cell": self.cell,
            "epsilon": decimal_text(self.epsilon_micro),
            "mean_count": round(self.mean_count, 3),
            "released_share": round(self.released, 4),
            **{f"{name}_error": None if share is None else round(share, 4) for name, share in self.error.items()},
        }


def released(street: Street, k: int, epsilon_micro: int, rng: np.random.Generator) -> Counts:
    """Counts as a node releases them, -1 where they are below k after noise."""
    noised = street.counts + noise.draw(rng, epsilon_micro, street.counts.shape)
    return np.where(noised >= k, noised, -1)


def utility(
    policy: Policy,
    street: Street,
    epsilons: Sequence[int],
    seeds: int,
    advance: Callable[[int], None] = lambda _steps: None,
) -> list[Row]:
    """Rows by epsilon (micro-units), then cell, the last one all cells together. `advance` is told each seed done."""
    rows: list[Row] = []
    for epsilon in epsilons:
        kept: list[NDArray[np.float64]] = []
        errors: dict[str, list[NDArray[np.float64]]] = {name: [] for name in PERIODS}
        for seed in range(seeds):
            out = released(street, policy.traffic.k, epsilon, np.random.default_rng((seed, epsilon)))
            known = out[street.known] >= 0
            kept.append(np.append(known.mean(axis=0), known.mean()))
            for name, seconds in PERIODS.items():
                if seconds % street.window_s == 0:
                    errors[name].append(_errors(street, out, seconds // street.window_s))
            advance(1)
        share = np.median(kept, axis=0)
        middle = {name: np.median(found, axis=0) if found else None for name, found in errors.items()}
        means = street.counts[street.known].mean(axis=0)
        for place, name in enumerate([*map(str, street.cells), ALL_CELLS]):
            mean = means.sum() if name == ALL_CELLS else means[place]
            error = {period: None if row is None else _number(row[place]) for period, row in middle.items()}
            rows.append(Row(name, epsilon, float(mean), float(share[place]), error))
    return rows


def _errors(street: Street, out: Counts, windows: int) -> NDArray[np.float64]:
    """The median relative error over all periods of `windows` windows: for each cell, then for all together."""
    usable = len(out) // windows * windows
    shape = (-1, windows, len(street.cells))
    known = street.known[:usable, None]
    true = np.where(known, street.counts[:usable], 0).reshape(shape).sum(axis=1)
    guess = np.where(known, np.maximum(out[:usable], 0), 0).reshape(shape).sum(axis=1)
    true = np.column_stack([true, true.sum(axis=1)])
    guess = np.column_stack([guess, guess.sum(axis=1)])
    found = [np.abs(g - t)[t > 0] / t[t > 0] for g, t in zip(guess.T, true.T, strict=True)]
    return np.array([np.median(errors) if len(errors) else np.nan for errors in found])


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
