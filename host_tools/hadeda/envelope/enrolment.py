"""The enrolment message: a node's identity, signed by itself, bound to this city's collector and to this visit."""

from dataclasses import dataclass
from typing import Final

from hadeda.envelope import labels, strict_cbor
from hadeda.envelope.cose import parse_sign1, verify
from hadeda.envelope.keys import load_point, thumbprint
from hadeda.errors import Rejected

NONCE_SIZE: Final = 16
TEXT_MAX: Final = 64
EXTERNAL_AAD: Final = strict_cbor.encode([labels.PROFILE, "enrol"])

_FIELDS: Final = {
    labels.ENROL_IDENTITY,
    labels.ENROL_EPHEMERAL,
    labels.ENROL_BOARD,
    labels.ENROL_FIRMWARE,
    labels.ENROL_NONCE,
    labels.ENROL_COLLECTOR,
}


@dataclass(frozen=True)
class Enrolment:
    """A verified enrolment. `identity` and `ephemeral` are 65-byte points, `node_id` is the identity's thumbprint."""

    node_id: bytes
    identity: bytes
    ephemeral: bytes
    board: str
    firmware: str
    nonce: bytes


def open_enrolment(message: bytes, nonce: bytes, collector_id: bytes) -> Enrolment:
    """Verify `message` from a node that was given `nonce` (16 bytes) and the collector's key; raises Rejected.

    The signature is by the identity key inside, so it proves that the node holds that key; that it is the node on the
    table is known from the cable.
    """
    if len(message) > labels.SEALED_MAX:
        raise Rejected(f"longer than {labels.SEALED_MAX} bytes")
    signed = parse_sign1(message)
    fields = strict_cbor.decode(signed.payload)
    if not isinstance(fields, dict) or set(fields) != _FIELDS:
        raise Rejected("enrolment lacks a field or has one too many")
    if fields[labels.ENROL_NONCE] != nonce or len(nonce) != NONCE_SIZE:
        raise Rejected("enrolment answers another nonce")
    if fields[labels.ENROL_COLLECTOR] != collector_id:
        raise Rejected("enrolment is for another collector")
    identity = _point(fields[labels.ENROL_IDENTITY])
    ephemeral = _point(fields[labels.ENROL_EPHEMERAL])
    verify(signed, EXTERNAL_AAD, identity)
    board, firmware = _text(fields[labels.ENROL_BOARD]), _text(fields[labels.ENROL_FIRMWARE])
    return Enrolment(thumbprint(identity), identity, ephemeral, board, firmware, nonce)


def _point(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise Rejected("public key is not bytes")
    load_point(value)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_MAX or not value.isprintable():
        raise Rejected("board or firmware name is not short, printable text")
    return value
