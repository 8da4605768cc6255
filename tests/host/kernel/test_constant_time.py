"""Whatever the key, the nonce, the hash and the blinds: the same instructions at the same addresses in the same order.

Told by the machine code on a simulated core, for everything the kernel does with a secret. What is compared is the
address of every instruction, and of every load and store: no branch and no table address depends on a secret.
"""

from __future__ import annotations

import random
from types import ModuleType

import pytest
from simulated import CONTENT, Simulated

from envelope import p256

N = p256.N


class _Path:
    """What a run went by: a hash over all addresses, and how many there were."""

    def __init__(self) -> None:
        self.hash = 0
        self.count = 0

    def __call__(self, instruction: int, address: int) -> None:
        self.hash = hash((self.hash, instruction, address))
        self.count += 1


def _path(simulated: Simulated, engine: ModuleType, secrets: tuple[int, ...]) -> tuple[int, int]:
    path = _Path()
    simulated.trace = path
    engine.signature(*secrets)
    simulated.trace = None
    return path.hash, path.count


def _secrets(seed: int) -> tuple[int, ...]:
    dice = random.Random(seed)
    k, d, factor = (dice.randrange(1, N) for _ in range(3))
    return k, d, dice.getrandbits(256), factor, dice.randrange(1, p256.P), dice.getrandbits(24)


def test_a_signature_takes_one_way_whatever_the_secrets(simulated: Simulated, engine: ModuleType) -> None:
    extremes = [(1, 1, 0, 1, 1, 0), (N - 1, N - 1, (1 << 256) - 1, N - 1, p256.P - 1, 0xFFFFFF)]
    paths = {_path(simulated, engine, secrets) for secrets in [*extremes, *map(_secrets, range(3))]}
    assert len(paths) == 1
    ((_, instructions),) = paths
    assert 700_000 < instructions < 900_000


def test_the_path_would_tell_of_another_address(
    simulated: Simulated, engine: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison is no empty one."""
    first = _path(simulated, engine, _secrets(1))
    monkeypatch.setitem(CONTENT, "table", CONTENT["table"] + 4)
    other = _path(simulated, engine, _secrets(1))
    assert other[0] != first[0]
    assert other[1] == first[1]


def test_branches_are_those_of_loops_over_counts(simulated: Simulated, engine: ModuleType) -> None:
    """Twelve loops, each of a fixed length: nothing else in the kernel branches."""
    engine.signature(*_secrets(7))
    engine.inverse(5)
    assert len(simulated.core.branches) == 12
