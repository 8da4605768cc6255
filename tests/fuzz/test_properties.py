"""What is right, with something in it changed: never anything but a documented error.

Bytes are changed at any place; CBOR is changed in what it says, also within byte strings, and encoded again.
"""

from __future__ import annotations

from random import Random

import cases
import pytest
import tree
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutate import mutated

# Each example of these boots a node, fills a disk or asks a database
SLOW = {"host/collector": 15, "node/command": 30, "node/mail": 40, "node/letter": 60, "host/board_file": 60}
EXAMPLES = 200
WIRES = ("contact", "ld2451", "ops243a", "pms5003", "pzem004t", "grove_vision", "i2c_air")
NO_CBOR = {f"node/{name}" for name in ("outbox", "records", "mqtt", "ntp", *WIRES)}
CBOR = [name for name in cases.NAMES if name not in NO_CBOR and not name.endswith("_file")]


def examples(name: str) -> settings:
    """How many inputs a target is given."""
    return settings(
        max_examples=SLOW.get(name, EXAMPLES),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


@pytest.mark.parametrize("name", cases.NAMES)
def test_changed_bytes_do_no_harm(name: str) -> None:
    target = cases.target(name)
    seeds = st.sampled_from(target.seeds())

    @examples(name)
    @given(seeds, seeds, st.integers(0, 2**20))
    def harmless(seed: bytes, other: bytes, turn: int) -> None:
        target.one_input(mutated(seed, other, turn))

    harmless()


@pytest.mark.parametrize("name", CBOR)
def test_changed_content_does_no_harm(name: str) -> None:
    target = cases.target(name)
    reached = 0

    @examples(name)
    @given(st.sampled_from(target.seeds()), st.randoms(use_true_random=False), st.integers(1, 4))
    def harmless(seed: bytes, random: Random, changes: int) -> None:
        nonlocal reached
        prefix = seed[:1] if name == "host/collector" else b""
        found: bytes | None = seed[len(prefix) :]
        for _ in range(changes):
            found = tree.changed(found, random) or found if found else found
        reached += found != seed[len(prefix) :]
        target.one_input(prefix + (found or b""))

    harmless()
    assert reached, "nothing was changed: this test sees nothing"


@pytest.mark.parametrize("name", cases.NAMES)
def test_any_bytes_do_no_harm(name: str) -> None:
    target = cases.target(name)

    @examples(name)
    @given(st.binary(max_size=600))
    def harmless(data: bytes) -> None:
        target.one_input(data)

    harmless()
