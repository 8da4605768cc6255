"""Open a sealed report: AEAD first, then the signature, then padding and report; the cheap checks go first.

Outside there is one kind of error, `Rejected`; its reason is for the local log and the quarantine.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from hadeda.envelope import cose, labels, strict_cbor
from hadeda.envelope.keys import EpochKeys
from hadeda.envelope.report import Report, parse_report
from hadeda.errors import Rejected


@dataclass(frozen=True)
class Candidate:
    """A node and epoch whose kid and epoch number a message carries. Several may: the kid has 4 bytes only.

    `handle` means nothing here; it leads whoever looked the candidate up back to its row.
    """

    node_id: bytes
    identity: bytes
    epoch: int
    keys: EpochKeys
    handle: int = 0


@dataclass(frozen=True)
class Opened:
    """A message that proved to come from `candidate`; `payload` is the padded report that `signature` covers."""

    candidate: Candidate
    sequence: int
    report: Report
    payload: bytes
    signature: bytes


def open_report(message: cose.SealedMessage, candidates: Iterable[Candidate], recipient: bytes) -> Opened:
    """Open `message`, addressed to the collector with thumbprint `recipient`, with whichever candidate's key fits.

    Raises Rejected. Replays are not looked at here: that needs memory, which the collector has.
    """
    known = False
    for candidate in candidates:
        if candidate.epoch != message.epoch:
            continue
        known = True
        signed = _decrypt(message, candidate.keys)
        if signed is not None:
            inner = _verified(message, signed, candidate, recipient)
            report = parse_report(_unpad(inner.payload))
            return Opened(candidate, message.sequence, report, inner.payload, inner.signature)
    raise Rejected("not sealed by the key its kid names" if known else "no key for this kid and epoch")


def _decrypt(message: cose.SealedMessage, keys: EpochKeys) -> bytes | None:
    """The plaintext, or None where the tag does not fit."""
    aead = AESCCM(keys.key_up, tag_length=labels.TAG_SIZE)
    try:
        return aead.decrypt(
            message.nonce(keys.iv_up), message.ciphertext, cose.encrypt0_aad(message, labels.DIRECTION_UP)
        )
    except InvalidTag:
        return None


def _verified(message: cose.SealedMessage, signed: bytes, candidate: Candidate, recipient: bytes) -> cose.Sign1:
    """The COSE_Sign1 in `signed`, once its signature is the candidate's; raises Rejected."""
    inner = cose.parse_sign1(signed)
    aad = cose.sign1_aad(message, labels.DIRECTION_UP, candidate.node_id, recipient)
    cose.verify(inner, aad, candidate.identity)
    return inner


def _unpad(payload: bytes) -> bytes:
    """The report's own bytes in a padded payload: less than a block of zeros behind it, all of it whole blocks."""
    if not payload or len(payload) % labels.PADDING_BLOCK:
        raise Rejected("payload is not whole padding blocks")
    _, end = strict_cbor.decode_first(payload)
    if len(payload) - end >= labels.PADDING_BLOCK or any(payload[end:]):
        raise Rejected("padding is too long or not zero")
    return payload[:end]
