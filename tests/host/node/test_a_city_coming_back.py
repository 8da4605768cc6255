"""A thousand nodes find the broker again: connections and messages per second, from the node's own slots and pauses."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from firmware.fakes import Random

from node.send import SESSION_MAX, Sender

NODES = 1000
WINDOW_S = 900
CONNECTIONS_PER_S_MAX = 60  # TLS handshakes that a small machine manages
MESSAGES_PER_S_MAX = NODES  # one a second each


class EmptyStore:
    """node.store of a node that has never reported."""

    next = 1


def sender(number: int) -> tuple[Any, Random]:
    chance = Random(number * 7919 + 1)
    return Sender(None, None, {}, EmptyStore(), None, chance, None, WINDOW_S), chance


def after_an_outage(node: Any, back_s: float) -> float:
    """When a node whose first try failed at time 0 plus its slot gets through."""
    now = node.slot_ms / 1000
    failures = 0
    while now < back_s:
        failures += 1
        now += node.pause_ms(failures) / 1000
    return now


def after_a_blackout(node: Any, _back_s: float) -> float:
    """When the grid's power comes back all boot in the same second, and their windows end together."""
    return WINDOW_S + node.slot_ms / 1000


@pytest.mark.parametrize("backlog", [1, 4, 96, 2880])
@pytest.mark.parametrize("begin", [after_an_outage, after_a_blackout])
@pytest.mark.parametrize("back_s", [20.0, 3_600.0, 86_400.0])
def test_a_thousand_nodes_do_not_knock_the_broker_over(
    begin: Callable[[Any, float], float], back_s: float, backlog: int
) -> None:
    connections: Counter[int] = Counter()
    messages: Counter[int] = Counter()
    for number in range(NODES):
        node, chance = sender(number)
        now = begin(node, back_s)
        connections[int(now)] += 1
        for _ in range(min(backlog, SESSION_MAX)):
            messages[int(now)] += 1
            now += 0.5 + chance.below(1000) / 1000  # as Sender._drain breathes; test_send.py holds it to that
    assert messages.total() == NODES * min(backlog, SESSION_MAX)
    print(f"\n{begin.__name__}, {back_s:.0f} s, backlog {backlog}: peaks {max(connections.values())} connections, "
          f"{max(messages.values())} messages a second")  # fmt: skip
    assert max(connections.values()) <= CONNECTIONS_PER_S_MAX
    assert max(messages.values()) <= MESSAGES_PER_S_MAX * 1.1
