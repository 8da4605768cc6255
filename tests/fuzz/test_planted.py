"""The harness sees what it is there for: bugs planted into decoders are found from inputs that are right."""

from __future__ import annotations

from random import Random

import cases
import harm
import pytest
import tree
from mutate import mutated
from planted import PLANTS

INPUTS_MAX = 3000
QUIET_INPUTS = 300


def first_harm(target: cases.Target, inputs: int = INPUTS_MAX) -> int:
    """The number of the first input that does harm, 0 for none; the same every time."""
    seeds = target.seeds()
    for number in range(1, inputs):
        random = Random(number)
        seed, other = random.choice(seeds), random.choice(seeds)
        data = tree.changed(seed, random) if number % 2 else None
        if harm.done(target, mutated(seed, other, number) if data is None else data):
            return number
    return 0


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_is_found(name: str, record_property: pytest.RecordProperty) -> None:
    target = cases.target(PLANTS[name].target)
    with PLANTS[name].patch():
        found = first_harm(target)
    assert found, f"{PLANTS[name].what}: not found in {INPUTS_MAX} inputs"
    record_property("inputs", found)
    print(f"{name}: {PLANTS[name].what} is found by input {found}")


@pytest.mark.parametrize("name", sorted({plant.target for plant in PLANTS.values()}))
def test_without_a_planted_bug_nothing_is_found(name: str) -> None:
    assert not first_harm(cases.target(name), QUIET_INPUTS)
