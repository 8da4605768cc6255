"""What the city still gets: how far sums of released counts are from the truth, on a real month.

For each epsilon and seed every known window gets its noise and its threshold, exactly as on a node; the sum of what was
released over an hour, a day or a week is compared with the truth, a withheld cell counting as nothing. For each cell,
over all hours (days, weeks) in which somebody passed: the median relative error and the one that nine in ten stay
below, then the medians of both over the seeds. The same noise without a threshold says which part is whose: noise
averages out over longer sums, what is withheld does not. The day's budget is taken to be enough for every window, or
two epsilons could not be compared.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hadeda.policy import noise
from hadeda.policy.noise import Counts
from hadeda.policy.schema import DAY_S, Policy, decimal_text
from hadeda.policy.street import Street

Shares: TypeAlias = NDArray[np.float64]

PERIODS: Final = {"hour": 3600, "day": DAY_S, "week": 7 * DAY_S}
ALL_CELLS: Final = "all cells together"
SAMPLER: Final = "numpy: the difference of two geometric numbers, discrete Laplace in double precision"


@dataclass(frozen=True)
class Error:
    """Relative errors of sums over one period, as shares (0.1 is 10 %)."""

    median: float
    nine_in_ten: float
    noise_alone: float  # the median if nothing were withheld


@dataclass(frozen=True)
class Row:
    """One cell at one epsilon. `error` by period, None where a window is longer than the period."""

    cell: str
    epsilon_micro: int
    mean_count: float
    released: float
    error: dict[str, Error | None]

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "cell": self.cell,
            "epsilon": decimal_text(self.epsilon_micro),
            "mean_count": round(self.mean_count, 3),
            "released_share": round(self.released, 4),
            "error": {
                period: error and {name: round(share, 4) for name, share in asdict(error).items()}
                for period, error in self.error.items()
            },
        }


def released(street: Street, k: int, epsilon_micro: int, rng: np.random.Generator) -> Counts:
    """Counts as a node releases them, -1 where they are below k after noise."""
    noised = street.counts + noise.draw(rng, epsilon_micro, street.counts.shape)
    return _told(noised, k)


def utility(
    policy: Policy,
    street: Street,
    epsilons: Sequence[int],
    seeds: int,
    advance: Callable[[int], None] = lambda _steps: None,
) -> list[Row]:
    """Rows by epsilon (micro-units), then cell, the last one all cells together. `advance` is told each seed done."""
    rows: list[Row] = []
    means = street.counts[street.known].mean(axis=0)
    for epsilon in epsilons:
        kept: list[Shares] = []
        errors: dict[str, list[Shares]] = {name: [] for name in PERIODS}
        for seed in range(seeds):
            noised = street.counts + noise.draw(np.random.default_rng((seed, epsilon)), epsilon, street.counts.shape)
            out = _told(noised, policy.traffic.k)
            known = out[street.known] >= 0
            kept.append(np.append(known.mean(axis=0), known.mean()))
            for name, seconds in PERIODS.items():
                if seconds % street.window_s == 0:
                    windows = seconds // street.window_s
                    found = _errors(street, np.maximum(out, 0), windows), _errors(street, noised, windows)[:1]
                    errors[name].append(np.concatenate(found))
            advance(1)
        share = np.median(kept, axis=0)
        middle = {name: np.median(found, axis=0) if found else None for name, found in errors.items()}
        for place, name in enumerate([*map(str, street.cells), ALL_CELLS]):
            mean = means.sum() if name == ALL_CELLS else means[place]
            error = {period: None if row is None else _error(row[:, place]) for period, row in middle.items()}
            rows.append(Row(name, epsilon, float(mean), float(share[place]), error))
    return rows


def _told(noised: Counts, k: int) -> Counts:
    return np.where(noised >= k, noised, -1)


def _errors(street: Street, guess: Counts, windows: int) -> Shares:
    """Median and ninth decile of relative errors over all periods of `windows` windows, for each cell and for all."""
    usable = len(guess) // windows * windows
    shape = (-1, windows, len(street.cells))
    known = street.known[:usable, None]
    true = np.where(known, street.counts[:usable], 0).reshape(shape).sum(axis=1)
    said = np.where(known, guess[:usable], 0).reshape(shape).sum(axis=1)
    true = np.column_stack([true, true.sum(axis=1)])
    said = np.column_stack([said, said.sum(axis=1)])
    found = [np.abs(s - t)[t > 0] / t[t > 0] for s, t in zip(said.T, true.T, strict=True)]
    return np.array([np.quantile(errors, (0.5, 0.9)) if len(errors) else (np.nan, np.nan) for errors in found]).T


def _error(row: Shares) -> Error | None:
    return None if np.isnan(row).any() else Error(*map(float, row))
