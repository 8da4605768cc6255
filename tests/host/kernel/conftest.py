"""The firmware's own p256_kernel on CPython, over the kernel's machine code on a simulated core."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
from simulated import Simulated


@pytest.fixture
def simulated() -> Simulated:
    return Simulated()


@pytest.fixture
def engine(simulated: Simulated, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """envelope.p256_kernel, and what envelope.ecdsa computes with as long as the test runs."""
    import envelope
    from envelope import ecdsa

    made = simulated.as_module()
    monkeypatch.setitem(sys.modules, "envelope.p256_rv32", made)
    monkeypatch.setattr(envelope, "p256_rv32", made, raising=False)
    engine = importlib.import_module("envelope.p256_kernel")
    monkeypatch.setattr(ecdsa, "engine", engine)
    monkeypatch.setattr(ecdsa, "kernel", 1)
    yield engine
    del sys.modules["envelope.p256_kernel"], envelope.p256_kernel
