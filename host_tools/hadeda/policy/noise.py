"""The law of the node's noise, host side: discrete Laplace, P(X = x) = (1 - p) / (1 + p) * p^|x|, p = exp(-epsilon).

The node draws it exactly, in integers. For pictures and tables numpy draws it here, as the difference of two geometric
numbers: that has the same law, with the error of double precision, which no picture shows. Nothing drawn here is ever
released.
"""

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hadeda.policy.schema import MICRO

Counts: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

CONFIDENCE = 0.95


def interval(epsilon_micro: int, confidence: float = CONFIDENCE) -> int:
    """The smallest m with P(|X| <= m) >= `confidence`: a released count is within m of the true one that often."""
    epsilon = epsilon_micro / MICRO
    # P(|X| > m) = 2 p^(m + 1) / (1 + p)
    least = math.log((1 - confidence) * (1 + math.exp(-epsilon)) / 2) / -epsilon - 1
    return max(0, math.ceil(least - 1e-9))


def at_least(counts: Counts, k: int, epsilon_micro: int) -> NDArray[np.float64]:
    """P(count + X >= k) for every count."""
    epsilon = epsilon_micro / MICRO
    m = (k - counts).astype(np.float64)
    scale = 1 + math.exp(-epsilon)
    above = np.exp(-epsilon * np.maximum(m, 1)) / scale
    below = 1 - np.exp(-epsilon * np.maximum(1 - m, 1)) / scale
    return np.where(m >= 1, above, below)


def draw(rng: np.random.Generator, epsilon_micro: int, shape: tuple[int, ...]) -> Counts:
    """Independent noise."""
    stop = -math.expm1(-epsilon_micro / MICRO)
    drawn: Counts = rng.geometric(stop, shape) - rng.geometric(stop, shape)
    return drawn


def odds_factor(epsilon_micro: int) -> float:
    """By how much the odds of any guess can shift at most: e^epsilon."""
    return math.exp(epsilon_micro / MICRO)


def sure_after(epsilon_micro: int, before: float = 0.5) -> float:
    """What a guess with probability `before` can become at most."""
    odds = before / (1 - before) * odds_factor(epsilon_micro)
    return odds / (1 + odds)
