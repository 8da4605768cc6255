"""Padding of a payload to a multiple of 32 bytes, so that its length says little: one CBOR map, then zero bytes."""

from envelope import cbor
from envelope.errors import CborError, Rejected
from envelope.labels import PADDING_BLOCK, PAYLOAD_MIN, SEALED_MAX


def pad(payload: bytes, least: int = 0) -> bytes:
    """Return the payload and zero bytes: a multiple of 32 bytes, `least` (itself a multiple) at least."""
    return payload + bytes(max(least - len(payload), -len(payload) % PADDING_BLOCK))


def unpad(padded: bytes) -> bytes:
    """Return the payload; raise Rejected unless it is one CBOR map, then zeros in the number `pad` gives."""
    first, end = None, 0
    try:
        first, end = cbor.decode_first(padded, max_bytes=SEALED_MAX)
    except CborError:
        pass
    if not isinstance(first, dict):
        raise Rejected("payload is not a map")
    rest = padded[end:]
    too_long = len(rest) >= PADDING_BLOCK and len(padded) != PAYLOAD_MIN
    if len(padded) % PADDING_BLOCK or too_long or rest != bytes(len(rest)):
        raise Rejected("padding")
    return padded[:end]
