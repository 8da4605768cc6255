"""Padding: one CBOR map, then zeros up to whole blocks of 32 bytes, so that a length says little."""

from hadeda.envelope import labels, strict_cbor
from hadeda.errors import Rejected


def pad(payload: bytes, least: int = 0) -> bytes:
    """`payload` and the zeros it lacks; `least` (itself whole blocks) is how long it becomes at least."""
    return payload + bytes(max(least - len(payload), -len(payload) % labels.PADDING_BLOCK))


def unpad(payload: bytes) -> bytes:
    """The map's own bytes, to be decoded: behind it only zeros, fewer than a block, or as fill the floor of 128."""
    if not payload or len(payload) % labels.PADDING_BLOCK:
        raise Rejected("payload is not whole padding blocks")
    end = strict_cbor.first_end(payload)
    if not strict_cbor.is_map(payload):
        raise Rejected("payload is not a map")
    too_long = len(payload) - end >= labels.PADDING_BLOCK and len(payload) != labels.PAYLOAD_MIN
    if too_long or any(payload[end:]):
        raise Rejected("padding is too long or not zero")
    return payload[:end]
