"""Deterministic CBOR and nothing else: what is refused, and that refusing is all that ever happens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hadeda.envelope.strict_cbor import DEPTH_MAX, decode, decode_first, encode, untag
from hadeda.errors import Rejected

numbers = st.integers(-(2**64), 2**64 - 1)
leaves = st.one_of(st.none(), numbers, st.binary(max_size=40), st.text(max_size=20))
keys = st.one_of(st.integers(0, 300), st.text(max_size=4))
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5), max_leaves=10
)


def depth(value: object) -> int:
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 0


@given(values.filter(lambda value: depth(value) <= DEPTH_MAX))
def test_what_is_encoded_is_decoded(value: object) -> None:
    assert decode(encode(value)) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_are_the_one_encoding_of_their_value(data: bytes) -> None:
    try:
        value = decode(data)
    except Rejected:
        return
    assert encode(value) == data


@given(values.filter(lambda value: depth(value) <= DEPTH_MAX), st.data())
def test_a_truncated_item_is_refused(value: object, data: st.DataObject) -> None:
    encoded = encode(value)
    with pytest.raises(Rejected):
        decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


BOMBS = {
    "nothing": b"",
    "depth bomb": b"\x81" * 1000 + b"\x00",
    "map depth bomb": b"\xa1\x00" * 1000 + b"\x00",
    "array of 2^64 - 1": b"\x9b" + b"\xff" * 8,
    "map of 2^63": b"\xbb\x80" + bytes(7),
    "string of 2^63": b"\x5b\x7f" + b"\xff" * 7,
    "text of 2^31": b"\x7a\x7f\xff\xff\xff",
    "indefinite array": b"\x9f\x01\xff",
    "indefinite map": b"\xbf\x01\x01\xff",
    "indefinite bytes": b"\x5f\x41\x00\xff",
    "indefinite text": b"\x7f\x61\x61\xff",
    "lone break": b"\xff",
    "reserved head": b"\x1c",
    "long head for a small number": b"\x18\x17",
    "long head for a length": b"\x58\x01\x00",
    "eight-byte head for 2^32 - 1": b"\x1b\x00\x00\x00\x00\xff\xff\xff\xff",
    "bignum": b"\xc2\x41\x01",
    "date": b"\xc1\x00",
    "regular expression": b"\xd8\x23\x64(a+)",
    "shared value": b"\xd8\x1c\x81\xd8\x1d\x00",
    "float": b"\xf9\x3c\x00",
    "double": b"\xfb" + bytes(8),
    "true": b"\xf5",
    "undefined": b"\xf7",
    "simple value in two bytes": b"\xf8\x20",
    "duplicate key": b"\xa2\x01\x00\x01\x00",
    "unsorted keys": b"\xa2\x02\x00\x01\x00",
    "array as key": b"\xa1\x80\x00",
    "null as key": b"\xa1\xf6\x00",
    "invalid UTF-8": b"\x62\xff\xff",
    "two items": b"\x00\x00",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_and_other_spellings_are_refused(name: str) -> None:
    with pytest.raises(Rejected):
        decode(BOMBS[name])


def test_the_first_item_ends_where_the_next_begins() -> None:
    assert decode_first(b"\xa1\x01\x02\x00\x00") == ({1: 2}, 3)


@pytest.mark.parametrize("data", [b"", b"\xd1\x80", b"\xd8\x10\x80", b"\x80"])
def test_only_the_expected_tag_in_one_byte_is_taken_off(data: bytes) -> None:
    with pytest.raises(Rejected):
        untag(data, 16)
