"""The ready message: a node's half of a re-key, COSE_Encrypt (RFC 9052 section 5.1) by ECDH-ES to the collector's key.

It opens whatever the city knows of the node's epochs: the key is agreed between the message's own ephemeral key and a
collector key. Inside is a COSE_Sign1 by the identity key that the city knows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hadeda.envelope import cose, labels, strict_cbor
from hadeda.envelope.keys import load_point, root_key, thumbprint
from hadeda.envelope.padding import unpad
from hadeda.errors import Rejected

NONCE_SIZE: Final = 16
ID_SIZE: Final = 32
COORDINATE_SIZE: Final = 32
# A chain has to have room for its ratchets below the largest number that fits a header
EPOCH_NUMBER_MAX: Final = (1 << 8 * labels.EPOCH_MAX) - 1 - labels.REKEY_JUMP
AAD: Final = strict_cbor.encode([labels.PROFILE, "ready"])

_RECIPIENT_PROTECTED: Final = strict_cbor.encode({labels.HEADER_ALG: labels.ALG_ECDH_ES_HKDF_256})
_ENC_STRUCTURE: Final = strict_cbor.encode(["Encrypt", cose.ENCRYPT0_PROTECTED, AAD])
_NOBODY: Final = [None, None, None]
# COSE_KDF_Context (RFC 9053 section 5.2)
_KDF_CONTEXT: Final = strict_cbor.encode(
    [labels.ALG_AES_CCM_16_128_128, _NOBODY, _NOBODY, [8 * labels.KEY_SIZE, _RECIPIENT_PROTECTED]]
)
_REQUIRED: Final = {
    labels.READY_EPOCH,
    labels.READY_NODE,
    labels.READY_EPHEMERAL,
    labels.READY_NONCE,
    labels.READY_COLLECTOR,
    labels.READY_COMMAND,
}
_IDENTITY: Final = {labels.READY_IDENTITY, labels.READY_PROOF}

# (thumbprint, private key) of the collector keys that nodes may know, the likeliest first
CollectorKeys = Sequence[tuple[bytes, ec.EllipticCurvePrivateKey]]


@dataclass(frozen=True)
class RekeyMessage:
    """A re-key message as anyone on the way sees it. `ephemeral` is a 65-byte point on the curve."""

    iv: bytes
    ciphertext: bytes
    ephemeral: bytes
    size: int


@dataclass(frozen=True)
class Ready:
    """A verified ready. The signer was `signer` (thumbprint); from `epoch` on it has `identity`, known as `node_id`.

    `command` is the number of the command that asked for it, 0 for none. `root` is the new chain's first root key.
    """

    signer: bytes
    node_id: bytes
    identity: bytes
    epoch: int
    ephemeral: bytes
    collector_id: bytes
    command: int
    root: bytes = field(repr=False)


def parse_rekey(payload: bytes) -> RekeyMessage:
    """Read the outer layer without any key; raises Rejected."""
    if len(payload) > labels.SEALED_MAX:
        raise Rejected(f"longer than {labels.SEALED_MAX} bytes")
    item = cose.array_of(strict_cbor.untag(payload, labels.TAG_ENCRYPT), 4, "COSE_Encrypt")
    protected, unprotected, ciphertext, recipients = item
    if protected != cose.ENCRYPT0_PROTECTED or not isinstance(unprotected, dict):
        raise Rejected("COSE_Encrypt names another algorithm")
    if set(unprotected) != {labels.HEADER_IV}:
        raise Rejected("COSE_Encrypt has other headers than the IV")
    iv = _bytes(unprotected[labels.HEADER_IV], labels.IV_SIZE, "IV")
    if not isinstance(ciphertext, bytes) or len(ciphertext) <= labels.TAG_SIZE:
        raise Rejected("ciphertext is missing or shorter than its tag")
    return RekeyMessage(iv, ciphertext, _ephemeral(recipients), len(payload))


def open_rekey(message: RekeyMessage, collectors: CollectorKeys, identity_of: Callable[[bytes], bytes | None]) -> Ready:
    """Open and verify a re-key; raises Rejected. Whether its epoch is new is for who has memory.

    `identity_of` gives the identity key (65 bytes) to a thumbprint, None for a stranger's.
    """
    collector_id, collector, signed = decrypted(message, collectors)
    inner = cose.parse_sign1(signed)
    fields = _fields(unpad(inner.payload))
    signer = _bytes(fields[labels.READY_NODE], ID_SIZE, "node")
    known = identity_of(signer)
    if known is None:
        raise Rejected("ready of a node that is not known")
    cose.verify(inner, strict_cbor.encode([labels.PROFILE, "ready", signer, collector_id]), known)
    if fields[labels.READY_COLLECTOR] != collector_id:
        raise Rejected("ready for another collector")
    if fields[labels.READY_EPHEMERAL] != message.ephemeral:
        raise Rejected("ready names another ephemeral key than the one it came under")
    nonce = _bytes(fields[labels.READY_NONCE], NONCE_SIZE, "nonce")
    identity = known
    if labels.READY_IDENTITY in fields:
        identity = _new_identity(fields, signer, nonce)
    node_id = thumbprint(identity)
    return Ready(
        signer=signer,
        node_id=node_id,
        identity=identity,
        epoch=_number(fields[labels.READY_EPOCH], 1, EPOCH_NUMBER_MAX, "epoch"),
        ephemeral=message.ephemeral,
        collector_id=collector_id,
        command=_number(fields[labels.READY_COMMAND], 0, labels.COMMAND_NUMBER_MAX, "command"),
        root=root_key(collector, message.ephemeral, nonce, node_id, collector_id),
    )


def _ephemeral(recipients: object) -> bytes:
    """The ephemeral point of the one recipient, in the profile's one form; raises Rejected."""
    if not isinstance(recipients, list) or len(recipients) != 1:
        raise Rejected("COSE_Encrypt has not one recipient")
    recipient = recipients[0]
    if not isinstance(recipient, list) or len(recipient) != 3:
        raise Rejected("recipient is not an array of 3")
    protected, unprotected, key = recipient
    if protected != _RECIPIENT_PROTECTED or key != b"":
        raise Rejected("recipient names another algorithm or carries a key")
    if not isinstance(unprotected, dict) or set(unprotected) != {labels.HEADER_EPHEMERAL_KEY}:
        raise Rejected("recipient has other headers than the ephemeral key")
    cose_key = unprotected[labels.HEADER_EPHEMERAL_KEY]
    if not isinstance(cose_key, dict) or set(cose_key) != {1, -1, -2, -3} or (cose_key[1], cose_key[-1]) != (2, 1):
        raise Rejected("ephemeral key is not one of P-256")
    point = b"\x04" + _bytes(cose_key[-2], COORDINATE_SIZE, "x") + _bytes(cose_key[-3], COORDINATE_SIZE, "y")
    load_point(point)
    return point


def decrypted(message: RekeyMessage, collectors: CollectorKeys) -> tuple[bytes, ec.EllipticCurvePrivateKey, bytes]:
    """Thumbprint and private key of the collector key that opens the message, and the plaintext; raises Rejected."""
    ephemeral = load_point(message.ephemeral)
    for collector_id, collector in collectors:
        shared = collector.exchange(ec.ECDH(), ephemeral)
        key = HKDF(SHA256(), labels.KEY_SIZE, salt=None, info=_KDF_CONTEXT).derive(shared)
        try:
            plaintext = AESCCM(key, tag_length=labels.TAG_SIZE).decrypt(message.iv, message.ciphertext, _ENC_STRUCTURE)
        except InvalidTag:
            continue
        return collector_id, collector, plaintext
    raise Rejected("re-key is not sealed to a key of this city")


def _fields(payload: bytes) -> dict[object, object]:
    fields = strict_cbor.decode(payload)
    if not isinstance(fields, dict) or set(fields) not in (_REQUIRED, _REQUIRED | _IDENTITY):
        raise Rejected("ready lacks a field or has one too many")
    return fields


def _new_identity(fields: dict[object, object], signer: bytes, nonce: bytes) -> bytes:
    """The node's next identity key, once it has signed for itself; raises Rejected."""
    identity = _bytes(fields[labels.READY_IDENTITY], labels.PUBLIC_KEY_SIZE, "new identity")
    proof = _bytes(fields[labels.READY_PROOF], labels.SIGNATURE_SIZE, "proof of the new identity")
    cose.verify_raw(proof, strict_cbor.encode([labels.PROFILE, "identity", signer, identity, nonce]), identity)
    return identity


def _bytes(value: object, size: int, name: str) -> bytes:
    if not isinstance(value, bytes) or len(value) != size:
        raise Rejected(f"{name} is not {size} bytes")
    return value


def _number(value: object, least: int, greatest: int, name: str) -> int:
    if not isinstance(value, int) or not least <= value <= greatest:
        raise Rejected(f"{name} is not a number from {least} to {greatest}")
    return value
