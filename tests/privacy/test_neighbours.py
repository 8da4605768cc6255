"""Two streets that differ in one passage: what the node says must not tell them apart by more than epsilon.

Each street's window is released from thousands of seeds. For every output event E of a list fixed beforehand, and both
ways round, P(E | one street) <= exp(epsilon) * P(E | other street) must be tenable: the ratio's lower confidence limit
(Clopper-Pearson, shared out over all limits by Bonferroni) is not above exp(epsilon). A mechanism that is right fails
with probability ALPHA at most, all events together; the seeds are fixed, so every run finds the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from mechanisms import BUGS, MECHANISM, SENDINGS, WITHHELD, Counts, Make, reference
from numpy.typing import NDArray
from scipy import stats

from envelope.drbg import Drbg
from node.noise import MICRO

RELEASES = 20_000
ALPHA = 1e-3
K = 5
STREET: Counts = (4, 9)
ONE_PASSAGE_MORE: tuple[Counts, ...] = ((5, 9), (4, 10))  # from below k to k, and well above it
BEYOND = 12  # events reach this far above k

pytestmark = pytest.mark.xdist_group("neighbours")  # the tests share their worlds


class Found(NamedTuple):
    """The event that tells two worlds apart best: logarithm of its probabilities' ratio, limits and estimate."""

    lowest: float
    likely: float
    highest: float
    event: str
    events: int

    def __str__(self) -> str:
        return (
            f"empirical epsilon {self.likely:.3f} ({self.lowest:.3f} to {self.highest:.3f}) by '{self.event}', "
            f"the worst of {self.events} events"
        )


@cache
def world(make: Make, epsilon_micro: int, counts: Counts) -> NDArray[np.int64]:
    """[release, sending, cell] of RELEASES windows with these counts, each from a seed of its own."""
    release = make(epsilon_micro, K)
    name = f"{make.__qualname__} {epsilon_micro} {counts} ".encode()
    return np.array([release(counts, Drbg(name + b"%032d" % seed)) for seed in range(RELEASES)])


def events(sent: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Every event that is looked at, with the releases in which it happened."""
    for score, values, low, high in scores(sent):
        for value in range(low, high + 1):
            yield f"{score} = {value}", values == value
            yield f"{score} >= {value}", values >= value
            yield f"{score} <= {value}", values <= value


def scores(sent: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.int64], int, int]]:
    """Integers that an attacker could compute from all that was sent, with the range of interest."""
    ranked = np.where(sent == WITHHELD, K - 1, sent)  # keeps the order, closes the gap
    low, high = K - 1, K + BEYOND
    for cell in range(sent.shape[2]):
        yield f"cell {cell}", ranked[:, 0, cell], low, high
        yield f"least of cell {cell}", ranked[:, :, cell].min(axis=1), low, high
        yield f"most of cell {cell}", ranked[:, :, cell].max(axis=1), low, high
        yield f"sum of cell {cell}", ranked[:, :, cell].sum(axis=1), SENDINGS * low, SENDINGS * high
    yield "cell 1 - cell 0", ranked[:, 0, 1] - ranked[:, 0, 0], -BEYOND, BEYOND


def tell_apart(make: Make, epsilon_micro: int, neighbours: tuple[Counts, ...] = ONE_PASSAGE_MORE) -> Found:
    """The event whose ratio of probabilities is above 1 by most, with confidence."""
    names, here, there = [], [], []
    one = list(events(world(make, epsilon_micro, STREET)))
    for counts in neighbours:
        other = events(world(make, epsilon_micro, counts))
        for (name, in_one), (_, in_other) in zip(one, other, strict=True):
            happened = int(in_one.sum()), int(in_other.sum())
            names += [f"{name} for {STREET}, not {counts}", f"{name} for {counts}, not {STREET}"]
            here += happened
            there += reversed(happened)
    x, y = np.array(here), np.array(there)
    confidence = 1 - ALPHA / (2 * len(names))
    (x_low, x_high), (y_low, y_high) = clopper_pearson(x, confidence), clopper_pearson(y, confidence)
    with np.errstate(divide="ignore"):
        lowest, highest = np.log(x_low / y_high), np.log(x_high / y_low)
    worst = int(np.argmax(lowest))
    likely = math.log(x[worst] / y[worst]) if y[worst] else math.inf
    return Found(float(lowest[worst]), likely, float(highest[worst]), names[worst], len(names))


def clopper_pearson(happened: NDArray[np.int64], confidence: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One-sided limits, low and high, of the probabilities of events that happened so often in RELEASES trials."""
    never, always = happened == 0, happened == RELEASES
    low = stats.beta.ppf(1 - confidence, np.maximum(happened, 1), RELEASES - happened + 1)
    high = stats.beta.ppf(confidence, happened + 1, np.maximum(RELEASES - happened, 1))
    return np.where(never, 0.0, low), np.where(always, 1.0, high)


Record = Callable[[str, object], None]


@pytest.mark.parametrize("epsilon_micro", [500_000, 1_000_000, 2_000_000])
def test_one_passage_shows_by_no_more_than_epsilon(epsilon_micro: int, record_property: Record) -> None:
    found = tell_apart(MECHANISM, epsilon_micro)
    record_property(f"neighbouring worlds, epsilon {epsilon_micro / MICRO}", str(found))
    assert found.lowest <= epsilon_micro / MICRO, found
    assert found.highest >= epsilon_micro / MICRO, f"more noise than epsilon asks for? {found}"


def test_the_node_says_what_the_rule_says() -> None:
    for epsilon_micro in (1, 500_000, 2_000_000, 10_000_000):
        for k in (1, 5, 65_535):
            for counts in ((0,), (4, 9), (0, 1, 2, 3, 500, 6, 5, 4)):
                seed = b"%d %d" % (epsilon_micro, k) + bytes(32)
                said = MECHANISM(epsilon_micro, k)(counts, Drbg(seed))
                assert said == reference(epsilon_micro, k)(counts, Drbg(seed))


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_caught(bug: Callable[[Make], Make], record_property: Record) -> None:
    found = tell_apart(bug(MECHANISM), MICRO)
    record_property(f"neighbouring worlds, epsilon 1.0 but {bug.__name__}", str(found))
    assert found.lowest > 1, found
