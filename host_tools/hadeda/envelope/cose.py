"""The COSE structures of the profile (RFC 9052): COSE_Encrypt0 and COSE_Sign1, read and made, and what they bind.

Headers are compared with the one encoding the profile allows, so there is nothing to negotiate and nothing to choose.
"""

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from hadeda.envelope import labels, strict_cbor
from hadeda.envelope.keys import load_point
from hadeda.errors import Rejected

ENCRYPT0_PROTECTED: Final = strict_cbor.encode({labels.HEADER_ALG: labels.ALG_AES_CCM_16_128_128})
SIGN1_PROTECTED: Final = strict_cbor.encode({labels.HEADER_ALG: labels.ALG_ESP256})
# Order of the P-256 base point (FIPS 186-5, SP 800-186 section 3.2.1.3)
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True)
class SealedMessage:
    """A COSE_Encrypt0 as anyone on the way sees it. `size` is the whole message in bytes."""

    kid: bytes
    partial_iv: bytes
    epoch_bytes: bytes
    ciphertext: bytes
    size: int

    @property
    def epoch(self) -> int:
        """The epoch's number."""
        return int.from_bytes(self.epoch_bytes, "big")

    @property
    def sequence(self) -> int:
        """The node's sequence number in this epoch, which is the partial IV."""
        return int.from_bytes(self.partial_iv, "big")

    def nonce(self, iv: bytes) -> bytes:
        """The AEAD nonce (RFC 9052 section 3.1): the epoch's IV xor the partial IV, padded on the left."""
        padded = self.partial_iv.rjust(labels.IV_SIZE, b"\0")
        return bytes(a ^ b for a, b in zip(iv, padded, strict=True))


@dataclass(frozen=True)
class Sign1:
    """A COSE_Sign1 with its payload and its 64-byte signature r || s, not verified yet."""

    payload: bytes
    signature: bytes


def parse_sealed(payload: bytes) -> SealedMessage:
    """Read the outer layer of a node's message without any key; raises Rejected."""
    if len(payload) > labels.SEALED_MAX:
        raise Rejected(f"longer than {labels.SEALED_MAX} bytes")
    item = array_of(strict_cbor.untag(payload, labels.TAG_ENCRYPT0), 3, "COSE_Encrypt0")
    protected, unprotected, ciphertext = item
    if protected != ENCRYPT0_PROTECTED:
        raise Rejected("COSE_Encrypt0 names another algorithm")
    if not isinstance(unprotected, dict) or set(unprotected) != {
        labels.HEADER_KID,
        labels.HEADER_PARTIAL_IV,
        labels.HEADER_EPOCH,
    }:
        raise Rejected("COSE_Encrypt0 has other headers than kid, partial IV and epoch")
    kid = unprotected[labels.HEADER_KID]
    if not isinstance(kid, bytes) or len(kid) != labels.KID_SIZE:
        raise Rejected(f"kid is not {labels.KID_SIZE} bytes")
    partial_iv = minimal(unprotected[labels.HEADER_PARTIAL_IV], labels.PARTIAL_IV_MAX, "partial IV")
    epoch = minimal(unprotected[labels.HEADER_EPOCH], labels.EPOCH_MAX, "epoch")
    if not isinstance(ciphertext, bytes) or len(ciphertext) <= labels.TAG_SIZE:
        raise Rejected("ciphertext is missing or shorter than its tag")
    return SealedMessage(kid, partial_iv, epoch, ciphertext, len(payload))


def parse_sign1(data: bytes) -> Sign1:
    """Read a COSE_Sign1; the signature is looked at by `verify`. Raises Rejected."""
    protected, unprotected, payload, signature = array_of(strict_cbor.untag(data, labels.TAG_SIGN1), 4, "COSE_Sign1")
    if protected != SIGN1_PROTECTED or unprotected != {}:
        raise Rejected("COSE_Sign1 names another algorithm or has headers of its own")
    if not isinstance(payload, bytes) or not isinstance(signature, bytes):
        raise Rejected("COSE_Sign1 lacks its payload or its signature")
    if len(signature) != labels.SIGNATURE_SIZE:
        raise Rejected(f"signature is not {labels.SIGNATURE_SIZE} bytes")
    return Sign1(payload, signature)


def sign(key: ec.EllipticCurvePrivateKey, payload: bytes, external_aad: bytes) -> bytes:
    """A COSE_Sign1 over `payload` by `key`, with s in the lower half and the nonce of RFC 6979."""
    ecdsa = ec.ECDSA(SHA256(), deterministic_signing=True)
    r, s = decode_dss_signature(key.sign(_sig_structure(external_aad, payload), ecdsa))
    signature = r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")
    return strict_cbor.tagged(labels.TAG_SIGN1, [SIGN1_PROTECTED, {}, payload, signature])


def render_sealed(message: SealedMessage, ciphertext: bytes) -> bytes:
    """The COSE_Encrypt0 with the headers of `message` around `ciphertext`."""
    headers = {
        labels.HEADER_KID: message.kid,
        labels.HEADER_PARTIAL_IV: message.partial_iv,
        labels.HEADER_EPOCH: message.epoch_bytes,
    }
    return strict_cbor.tagged(labels.TAG_ENCRYPT0, [ENCRYPT0_PROTECTED, headers, ciphertext])


def verify(message: Sign1, external_aad: bytes, public: bytes) -> None:
    """Check the ESP256 signature by the key with the point `public`; raises Rejected, also for a high s.

    Of a valid (r, s) anyone can make the valid (r, n - s); taking only the lower keeps one message one signature.
    """
    verify_raw(message.signature, _sig_structure(external_aad, message.payload), public)


def verify_raw(signature: bytes, signed: bytes, public: bytes) -> None:
    """As `verify`, for the signature r || s (64 bytes) over the bytes `signed`."""
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:], "big")
    if not 0 < r < P256_ORDER or not 0 < s <= P256_ORDER // 2:
        raise Rejected("signature numbers are out of range or s is high")
    try:
        load_point(public).verify(encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
    except InvalidSignature as error:
        raise Rejected("signature does not verify") from error


def encrypt0_aad(message: SealedMessage, direction: int) -> bytes:
    """The AEAD's additional data: Enc_structure (RFC 9052 section 5.3) around what the profile binds outside."""
    external = strict_cbor.encode([labels.PROFILE, direction, message.epoch, message.kid, message.partial_iv])
    return strict_cbor.encode(["Encrypt0", ENCRYPT0_PROTECTED, external])


def sign1_aad(message: SealedMessage, direction: int, sender: bytes, recipient: bytes) -> bytes:
    """The external_aad of the inner layer: as outside, and the thumbprints of sender and recipient."""
    return strict_cbor.encode(
        [labels.PROFILE, direction, message.epoch, message.kid, message.partial_iv, sender, recipient]
    )


def _sig_structure(external_aad: bytes, payload: bytes) -> bytes:
    """What is signed (RFC 9052 section 4.4)."""
    return strict_cbor.encode(["Signature1", SIGN1_PROTECTED, external_aad, payload])


def array_of(data: bytes, length: int, name: str) -> list[object]:
    """The array of `length` items that is all of `data`; raises Rejected."""
    item = strict_cbor.decode(data)
    if not isinstance(item, list) or len(item) != length:
        raise Rejected(f"{name} is not an array of {length}")
    return item


def minimal(value: object, longest: int, name: str) -> bytes:
    """`value` as the shortest big-endian byte string of a number (zero is one byte); raises Rejected."""
    if not isinstance(value, bytes) or not 1 <= len(value) <= longest:
        raise Rejected(f"{name} is not 1 to {longest} bytes")
    if value[0] == 0 and len(value) > 1:
        raise Rejected(f"{name} has leading zeros")
    return value
