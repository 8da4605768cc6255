"""The node's CBOR decoder: one item in its one encoding, or CborError."""

from envelope import cbor
from envelope.errors import CborError

TAGS = (16, 18, 96)


def one_input(data):
    try:
        item = cbor.decode(data, TAGS)
    except CborError:
        return False
    if cbor.encode(item) != data:
        raise AssertionError("two encodings of one item")
    return True


def seeds():
    items = (
        0, 23, 24, 255, 256, 65536, (1 << 64) - 1, -1, -(1 << 64), None, True, False, b"", b"bytes", "", "text \u20ac",
        [], [1, [2, [3]]], {}, {1: "a", -1: b"b", "key": {2: None}}, cbor.Tag(18, [b"\xa1", {}, b"payload", bytes(64)]),
        [bytes(300), "x" * 30],
    )  # fmt: skip
    return [cbor.encode(item) for item in items]
