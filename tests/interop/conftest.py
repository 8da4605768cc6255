"""Who has to agree: the node's code on MicroPython, and pycose in an environment of its own; and four key pairs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from parties import Party
from peers import Peer, environment

from hadeda.emulator import interpreter
from hadeda.paths import FIRMWARE

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def stranger() -> Iterator[Peer]:
    """pycose."""
    peer = Peer([environment(), HERE / "pycose_stranger.py"], {"PYTHONPATH": str(HERE)})
    yield peer
    peer.close()


@pytest.fixture(scope="session")
def node() -> Iterator[Peer]:
    """The firmware's envelope."""
    path = f"{FIRMWARE}:{HERE}:.frozen"
    peer = Peer([interpreter.find().path, "-X", "heapsize=8M", HERE / "node_side.py"], {"MICROPYPATH": path})
    yield peer
    peer.close()


@pytest.fixture(scope="session")
def identity(node: Peer) -> Party:
    """The node's."""
    return Party(**node.ask("make_key", seed=b"identity"))


@pytest.fixture(scope="session")
def collector(node: Peer) -> Party:
    """The city's, for key agreement."""
    return Party(**node.ask("make_key", seed=b"collector"))


@pytest.fixture(scope="session")
def receipt(node: Peer) -> Party:
    """The city's, for letters."""
    return Party(**node.ask("make_key", seed=b"receipt"))


@pytest.fixture(scope="session")
def commander(node: Peer) -> Party:
    """The city's, for commands."""
    return Party(**node.ask("make_key", seed=b"command"))
