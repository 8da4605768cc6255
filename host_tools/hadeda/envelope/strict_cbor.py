"""Deterministic CBOR (RFC 8949 section 4.2.1), the profile's part of it and nothing more.

`cbor2` is lenient by design: it takes indefinite lengths, tags that build dates and regular expressions, and deep
nesting. Strangers send us bytes, so every item is walked first: definite lengths, shortest heads, no tags, no floats,
bounded depth, nothing that reaches beyond the data. Only then does `cbor2` build values, and what it built must encode
to the very same bytes again, which refuses unsorted and duplicate map keys.
"""

from typing import Final

import cbor2

from hadeda.errors import Rejected

DEPTH_MAX: Final = 6

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_KEY_MAJORS: Final = (_UNSIGNED, _NEGATIVE, _BYTES, _TEXT)
_NULL: Final = 22
_LONG: Final = 24
# Additional information 24..27: bytes of argument that follow, and the smallest argument that needs them
_LONG_HEADS: Final = {24: (1, 24), 25: (2, 1 << 8), 26: (4, 1 << 16), 27: (8, 1 << 32)}


def encode(value: object) -> bytes:
    """The one deterministic encoding of `value` (integers, byte and text strings, None, lists, maps)."""
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes) -> object:
    """The value of exactly one deterministic item without tags; raises Rejected for anything else."""
    value, end = decode_first(data)
    if end != len(data):
        raise Rejected("bytes after the CBOR item")
    return value


def decode_first(data: bytes) -> tuple[object, int]:
    """The first item of `data` and where it ends; raises Rejected unless it is deterministic."""
    end = _walk(data, 0)
    item = data[:end]
    try:
        value = cbor2.loads(item)
    except (cbor2.CBORDecodeError, ValueError) as error:
        raise Rejected("CBOR holds invalid text") from error
    if encode(value) != item:
        raise Rejected("CBOR map keys are unsorted or repeated")
    return value, end


def first_end(data: bytes) -> int:
    """Where the first item of `data` ends, before anything is built of it; raises Rejected as far as heads tell."""
    return _walk(data, 0)


def is_map(data: bytes) -> bool:
    """Whether the first item is a map."""
    return data[0] >> 5 == _MAP


def tagged(tag: int, value: object) -> bytes:
    """`value` behind `tag` (below 256)."""
    return _tag_head(tag) + encode(value)


def untag(data: bytes, tag: int) -> bytes:
    """What stands behind `tag` (below 256) at the start of `data`; raises Rejected if it is not there."""
    head = _tag_head(tag)
    if not data.startswith(head):
        raise Rejected(f"not a CBOR item with tag {tag}")
    return data[len(head) :]


def _tag_head(tag: int) -> bytes:
    return bytes([_TAG << 5 | tag]) if tag < 24 else bytes([_TAG << 5 | 24, tag])


def _walk(data: bytes, at: int) -> int:
    """Check the item at offset `at`, with everything in it; return the offset behind it. Raises Rejected."""
    above: list[tuple[int, bool]] = []  # (items to come, whether they are a map's) of all that `left` items are in
    left, in_map = 1, False
    size = len(data)
    while True:
        while not left:
            if not above:
                return at
            left, in_map = above.pop()
        if at >= size:
            raise Rejected("CBOR is truncated")
        major, argument = data[at] >> 5, data[at] & 31
        if in_map and not left & 1 and major not in _KEY_MAJORS:
            raise Rejected("CBOR map key is not a number or a string")
        left, at = left - 1, at + 1
        if argument >= _LONG:
            argument, at = _long_head(data, at, major, argument)
        if major <= _NEGATIVE:
            continue
        if major <= _TEXT:
            at += argument
            if at > size:
                raise Rejected("CBOR is truncated")
        elif major <= _MAP:
            if argument and len(above) >= DEPTH_MAX:
                raise Rejected("CBOR is nested too deeply")
            above.append((left, in_map))
            left, in_map = argument << (major == _MAP), major == _MAP  # a lying length ends at what is not there
        elif major == _TAG:
            raise Rejected("CBOR tag where none belongs")
        elif argument != _NULL:
            raise Rejected("CBOR floats and simple values other than null do not belong here")


def _long_head(data: bytes, at: int, major: int, info: int) -> tuple[int, int]:
    """The argument that stands at `at`, and the offset behind it; raises Rejected unless the head is the shortest."""
    if info not in _LONG_HEADS:
        raise Rejected("CBOR has an indefinite length or a reserved head")
    size, smallest = _LONG_HEADS[info]
    if at + size > len(data):
        raise Rejected("CBOR is truncated")
    argument = int.from_bytes(data[at : at + size], "big")
    if major == _SIMPLE or argument < smallest:
        raise Rejected("CBOR head is not the shortest, or a float")
    return argument, at + size
