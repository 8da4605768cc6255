"""The law of the noise, host side, against sums of its definition."""

import math

import numpy as np
import pytest

from hadeda.policy import noise

EPSILONS = (100_000, 500_000, 1_000_000, 2_000_000, 10_000_000)


def probability(x: int, epsilon_micro: int) -> float:
    """P(X = x) as the design writes it."""
    p = math.exp(-epsilon_micro / 1e6)
    return (1 - p) / (1 + p) * p ** abs(x)


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_the_interval_is_the_smallest_that_holds_95_of_100(epsilon: int) -> None:
    m = noise.interval(epsilon)
    within = sum(probability(x, epsilon) for x in range(-m, m + 1))
    assert within >= 0.95
    assert m == 0 or within - 2 * probability(m, epsilon) < 0.95


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("k", [1, 5, 20])
def test_the_chance_to_be_released_is_the_sum_of_its_law(epsilon: int, k: int) -> None:
    counts = np.arange(0, 40)
    wanted = [sum(probability(x, epsilon) for x in range(k - c, k - c + 1000)) for c in counts]
    assert noise.at_least(counts, k, epsilon) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("k", [1, 5])
def test_one_passage_more_shifts_no_outcome_by_more_than_e_to_the_epsilon(epsilon: int, k: int) -> None:
    """Outcomes: every number from k on, and "withheld"."""
    bound = noise.odds_factor(epsilon) * (1 + 1e-9)
    for count in range(12):
        for out in range(k, k + 60):
            one, more = probability(out - count, epsilon), probability(out - count - 1, epsilon)
            assert one <= bound * more
            assert more <= bound * one
        one, more = noise.at_least(2 * k - 1 - np.array([count, count + 1]), k, epsilon)  # P(count + X < k)
        assert one <= bound * more
        assert more <= bound * one


@pytest.mark.parametrize("epsilon", [500_000, 1_000_000, 2_000_000])
def test_what_numpy_draws_has_the_law(epsilon: int) -> None:
    n = 100_000
    drawn = noise.draw(np.random.default_rng(4), epsilon, (n,))
    chi_squared, cells = 0.0, 0
    for x in range(-12, 13):
        expected = n * probability(x, epsilon)
        if expected >= 20:
            chi_squared += (int((drawn == x).sum()) - expected) ** 2 / expected
            cells += 1
    assert chi_squared < cells + 5 * math.sqrt(2 * cells)


def test_odds_in_words_and_numbers() -> None:
    assert noise.odds_factor(1_000_000) == pytest.approx(math.e)
    assert noise.sure_after(500_000) == pytest.approx(0.6225, abs=1e-4)
    assert noise.sure_after(10_000_000, before=0.01) > 0.99
