"""Padding of a report to a multiple of 32 bytes, so that its length says nothing: one CBOR map, then zero bytes."""

from envelope import cbor
from envelope.errors import CborError, Rejected
from envelope.labels import PADDING_BLOCK, SEALED_MAX


def pad(payload: bytes) -> bytes:
    """Return the payload followed by the zero bytes it lacks."""
    return payload + bytes(-len(payload) % PADDING_BLOCK)


def unpad(padded: bytes) -> bytes:
    """Return the payload; raise Rejected unless it is one CBOR map and the rest fewer than 32 zero bytes."""
    first, end = None, 0
    try:
        first, end = cbor.decode_first(padded, max_bytes=SEALED_MAX)
    except CborError:
        pass
    if not isinstance(first, dict):
        raise Rejected("payload is not a map")
    rest = padded[end:]
    if len(padded) % PADDING_BLOCK or len(rest) >= PADDING_BLOCK or rest != bytes(len(rest)):
        raise Rejected("padding")
    return padded[:end]
