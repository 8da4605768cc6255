"""Changes to what CBOR says instead of to its bytes: one item becomes another, and the encoding is right again.

Byte strings that hold CBOR are gone into, so a change gets behind headers, signatures' envelopes and padding.
"""

from __future__ import annotations

from random import Random
from typing import Any

import cbor2

from envelope import cbor

BLOCK = 32
TAGS = (16, 18, 96)
_INTEGERS = (0, 1, -1, 2, 23, 24, 255, 256, 900, 65535, 2**31 - 1, 2**31, 2**32, 2**63, 2**64 - 1, -(2**64))
_KEYS = (*range(13), -1, 24, 2**64 - 1, "", "kind", "x" * 65, b"", b"k")


def changed(data: bytes, random: Random) -> bytes | None:
    """`data` with another item somewhere in its CBOR, None where it is no CBOR; zeros behind it fill a block again."""
    try:
        # Not by cbor2, which computes what a stranger's tag says: 2 to the power of anything, for one
        item, end = cbor.decode_first(data, TAGS)
        rest = data[end:]
        if any(rest):
            return None
        encoded = cbor2.dumps(_changed(item, random), canonical=True, default=_tagged)
    except Exception:  # not CBOR, or what is there instead has no encoding
        return None
    return encoded + bytes(max(len(data) - len(encoded), -len(encoded) % BLOCK)) if rest else encoded


def _tagged(encoder: Any, item: cbor.Tag) -> None:
    encoder.encode(cbor2.CBORTag(item.number, item.value))


def _changed(item: Any, random: Random) -> Any:
    """This item, or one in it, becomes another."""
    if random.random() < 0.15:
        return _other(random)
    if isinstance(item, cbor.Tag):
        return cbor.Tag(item.number, _changed(item.value, random))
    if isinstance(item, bytes):
        inside = changed(item, random) if len(item) > 1 else None
        return _cut(item, random) if inside is None else inside
    if isinstance(item, str):
        return item[: random.randrange(len(item) + 1)] + random.choice(("", "x", "\0", "\u20ac" * 30))
    if isinstance(item, list | tuple):
        return _list(list(item), random)
    if isinstance(item, dict):
        return _map(dict(item), random)
    if isinstance(item, int):
        return random.choice((item + 1, item - 1, -item, random.choice(_INTEGERS)))
    return _other(random)


def _list(items: list[Any], random: Random) -> list[Any]:
    at = random.randrange(len(items) + 1)
    if at == len(items):
        return [*items, random.choice(items) if items else _other(random)]
    match random.randrange(5):
        case 0:
            del items[at]
        case 1:
            items.reverse()
        case _:
            items[at] = _changed(items[at], random)
    return items


def _map(items: dict[Any, Any], random: Random) -> dict[Any, Any]:
    if not items or random.random() < 0.1:
        return {**items, random.choice(_KEYS): _other(random)}
    key = random.choice(list(items))
    match random.randrange(6):
        case 0:
            del items[key]
        case 1:
            items[random.choice(_KEYS)] = items.pop(key)
        case _:
            items[key] = _changed(items[key], random)
    return items


def _cut(item: bytes, random: Random) -> bytes:
    at = random.randrange(len(item) + 1)
    return random.choice((item[:at], item + b"\0", item[:at] + bytes([random.randrange(256)]) + item[at + 1 :]))


def _other(random: Random) -> Any:
    """Any item; some of them are large."""
    deep: Any = 0
    in_lists = random.random() < 0.5
    for _ in range(random.choice((1, 5, 9, 400))):
        deep = [deep] if in_lists else {1: deep}
    if random.random() < 0.1:
        return deep
    return random.choice((
        random.choice(_INTEGERS), None, True, False, "", "vehicle", "x" * 65, b"", bytes(8), bytes(32), bytes(65), [],
        {}, [0] * 70, list(range(1, 7)), dict.fromkeys(range(random.choice((3, 70))), 1), {"a": 1, 1: 2},
    ))  # fmt: skip
