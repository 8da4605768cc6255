"""Bugs that are put in on purpose, to see whether they are found: by test_planted.py, and by `./run fuzz --plant`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from envelope import cbor
from node import mqtt
from sensors import ld2451

ALLOCATED_MAX = 512 << 20


@dataclass(frozen=True)
class Plant:
    """What is wrong, the target that should find it, and the patch that makes it so."""

    what: str
    target: str
    patch: Callable[[], Any]


def _without_depth() -> Any:
    """The decoder takes any nesting."""
    return patch.object(cbor.decode, "__defaults__", ((), 10**9, *cbor.decode.__defaults__[2:]))


def _allocating_first() -> Any:
    """The decoder makes room for as many bytes as a stranger says, and looks whether they are there afterwards."""
    take = cbor._Decoder._take

    def taken(self: cbor._Decoder, size: int) -> bytes:
        room = bytearray(min(size, ALLOCATED_MAX))
        return take(self, size) if room is not None else b""

    return patch.object(cbor._Decoder, "_take", taken)


def _unchecked_targets() -> Any:
    """The radar's frame is believed to hold as many targets as it says."""

    def targets(payload: bytes) -> list[tuple[int, int, int, int]]:
        count = payload[0] if payload else 0
        places = [2 + 5 * number for number in range(count)]
        return [(payload[at] - 128, payload[at + 1], payload[at + 2] & 1, payload[at + 3]) for at in places]

    return patch.object(ld2451, "targets", targets)


def _any_topic() -> Any:
    """The MQTT client takes messages that nobody subscribed to."""

    async def receive(self: mqtt.Client, size: int) -> None:
        topic_size = int.from_bytes(await self._stream.read_exactly(2), "big")
        topic = await self._stream.read_exactly(topic_size)
        self.inbox[topic.decode()] = await self._stream.read_exactly(size - 2 - topic_size)

    return patch.object(mqtt.Client, "_receive", receive)


PLANTS = {
    "depth": Plant("a decoder without a limit of depth", "node/cbor", _without_depth),
    "memory": Plant("a decoder that allocates what a length says", "node/cbor", _allocating_first),
    "length": Plant("a frame whose length is not checked", "node/ld2451", _unchecked_targets),
    "topic": Plant("a client that takes any message", "node/mqtt", _any_topic),
}
