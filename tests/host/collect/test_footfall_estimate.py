"""From bits to about how many addresses, and the words that go with the number wherever it is shown."""

from __future__ import annotations

import random

import pytest

from hadeda.collect.footfall import FULL_BITS, MANY, MEANING, SKETCH_BITS, about, estimate
from hadeda.envelope import Count


@pytest.mark.parametrize("addresses", [5, 50, 300, 1000, 3000, 4000])
def test_the_estimate_is_near_the_truth(addresses: int) -> None:
    rng = random.Random(addresses)
    found = [estimate(len({rng.randrange(SKETCH_BITS) for _ in range(addresses)})) for _ in range(50)]
    told = [each for each in found if each is not None]
    assert sum(told) / len(told) == pytest.approx(addresses, rel=0.06, abs=1)


def test_every_number_of_bits_has_an_estimate_that_only_rises() -> None:
    told = [each for bits in range(FULL_BITS + 1) if (each := estimate(bits)) is not None]
    assert told[:2] == [0, 1]
    assert told == sorted(told)
    assert len(told) == FULL_BITS + 1
    assert told[-1] == pytest.approx(MANY, rel=0.01)


@pytest.mark.parametrize("bits", [FULL_BITS + 1, SKETCH_BITS, SKETCH_BITS + 1, 2**31 - 1])
def test_a_full_sketch_is_no_number(bits: int) -> None:
    assert estimate(bits) is None
    assert about(Count(bits)) == "more than 5000"


def test_it_is_told_as_what_it_is() -> None:
    assert about(Count(270)) == "about 313"
    assert about(Count(None, "below k")) == "withheld"
    for said in (
        "not people",
        "15 minutes",
        "count twice in a window and again in the next",
        "several devices, or none",
    ):
        assert said in MEANING
