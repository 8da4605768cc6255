"""Open a sealed report: AEAD first, then the signature, then padding and report; the cheap checks go first.

Outside there is one kind of error, `Rejected`; its reason is for the local log and the quarantine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from hadeda.envelope import cose, labels, strict_cbor
from hadeda.envelope.keys import EpochKeys
from hadeda.envelope.padding import unpad
from hadeda.envelope.report import Report, parse_report
from hadeda.errors import Rejected


@dataclass(frozen=True)
class Candidate:
    """A node and epoch whose kid and epoch number a message carries. Several may: the kid has 4 bytes only.

    `recipient` is the thumbprint of the collector key that the node addresses in this epoch. `handle` means nothing
    here; it leads whoever looked the candidate up back to its row.
    """

    node_id: bytes
    identity: bytes
    recipient: bytes
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


class Unopened(Rejected):
    """No candidate's key fits. `tried` are the handles of those whose key was tried."""

    def __init__(self, reason: str, tried: tuple[int, ...]) -> None:
        super().__init__(reason)
        self.tried = tried


def open_report(message: cose.SealedMessage, candidates: Sequence[Candidate]) -> Opened:
    """Open `message` with whichever candidate's key fits; raises Rejected (Unopened when none does).

    Replays are not looked at here: that needs memory, which the collector has.
    """
    candidate, inner = _unsealed(message, candidates, labels.DIRECTION_UP)
    return Opened(candidate, message.sequence, parse_report(unpad(inner.payload)), inner.payload, inner.signature)


def open_self_test(message: cose.SealedMessage, candidates: Sequence[Candidate], nonce: bytes) -> Candidate:
    """Who sealed this around `nonce`, for whoever asked at the cable and not for the collector; raises Rejected."""
    candidate, inner = _unsealed(message, candidates, labels.DIRECTION_SELF_TEST)
    if strict_cbor.decode(unpad(inner.payload)) != {labels.SELF_TEST_NONCE: nonce}:
        raise Rejected("self-test answers another nonce")
    return candidate


def _unsealed(
    message: cose.SealedMessage, candidates: Sequence[Candidate], direction: int
) -> tuple[Candidate, cose.Sign1]:
    """Who sealed it in this direction, and what that node signed; raises Rejected (Unopened when no key fits)."""
    tried = []
    for candidate in candidates:
        if candidate.epoch != message.epoch:
            continue
        signed = _decrypt(message, candidate.keys, direction)
        if signed is not None:
            return candidate, _verified(message, signed, candidate, direction)
        tried.append(candidate.handle)
    raise Unopened("not sealed by the key its kid names" if tried else "no key for this kid and epoch", tuple(tried))


def _decrypt(message: cose.SealedMessage, keys: EpochKeys, direction: int) -> bytes | None:
    """The plaintext, or None where the tag does not fit."""
    aead = AESCCM(keys.key_up, tag_length=labels.TAG_SIZE)
    try:
        return aead.decrypt(message.nonce(keys.iv_up), message.ciphertext, cose.encrypt0_aad(message, direction))
    except InvalidTag:
        return None


def _verified(message: cose.SealedMessage, signed: bytes, candidate: Candidate, direction: int) -> cose.Sign1:
    """The COSE_Sign1 in `signed`, once its signature is the candidate's; raises Rejected."""
    inner = cose.parse_sign1(signed)
    aad = cose.sign1_aad(message, direction, candidate.node_id, candidate.recipient)
    cose.verify(inner, aad, candidate.identity)
    return inner
