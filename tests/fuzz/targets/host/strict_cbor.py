"""The host's CBOR decoder: one item in its one encoding, or Rejected."""

from host.sealing import dumps, example_report

from hadeda.envelope import strict_cbor
from hadeda.errors import Rejected


def one_input(data: bytes) -> bool:
    try:
        value, end = strict_cbor.decode_first(data)
    except Rejected:
        return False
    if strict_cbor.encode(value) != data[:end]:
        raise AssertionError("two encodings of one item")
    return True


def seeds() -> list[bytes]:
    items = (0, 24, 65536, 2**64 - 1, -1, -(2**64), None, b"bytes", "text \u20ac", [[[]]], {1: {b"k": None}, "t": []})
    return [dumps(item) for item in (*items, example_report())]
