"""COSE (RFC 9052) for exactly one profile: a signature (Sign1), and a signed message inside encryption (Encrypt0).

    16([ h'a101181e', {4: kid, 6: partial IV, 10: epoch}, AES-CCM( 18([ h'a10128', {}, payload, r || s ]) ) ])

Nothing is negotiated: any other header, order or length is refused. The external_aad of both layers binds profile,
direction, epoch, kid and partial IV, the inner one also sender and recipient (32-byte thumbprints).
"""

from envelope import aes_ccm, cbor, ecdsa, heap, labels, padding
from envelope.drbg import Drbg
from envelope.errors import CborError, EnvelopeError, Rejected
from envelope.keys import EpochKeys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Who makes the identity key and signs with it: a module or an object with `make_key` and `sign` as ecdsa has them
signer: "Any" = ecdsa

_PROTECTED_SIGN1 = cbor.encode({labels.HEADER_ALG: labels.ALG_ESP256})
_PROTECTED_ENCRYPT0 = cbor.encode({labels.HEADER_ALG: labels.ALG_AES_CCM_16_128_128})


def sig_structure(protected: bytes, aad: bytes, payload: bytes) -> bytes:
    """Return the Sig_structure of a COSE_Sign1: what is signed (RFC 9052 section 4.4)."""
    return cbor.encode(["Signature1", protected, aad, payload])


def enc_structure(protected: bytes, aad: bytes) -> bytes:
    """Return the Enc_structure of a COSE_Encrypt0: the cipher's associated data (RFC 9052 section 5.3)."""
    return cbor.encode(["Encrypt0", protected, aad])


def external_aad(direction: int, epoch: int, kid: bytes, partial_iv: bytes, *parties: bytes) -> bytes:
    """Return what a layer binds: `parties` are sender and recipient for the inner layer, none for the outer one."""
    bound = [labels.PROFILE, direction, epoch, kid, partial_iv]
    bound.extend(parties)
    return cbor.encode(bound)


def sign1(payload: bytes, aad: bytes, private: bytes, drbg: Drbg) -> bytes:
    """Return a tagged COSE_Sign1 over `payload` (bytes of any content)."""
    signature = signer.sign(private, sig_structure(_PROTECTED_SIGN1, aad, payload), drbg)
    return cbor.encode(cbor.Tag(labels.TAG_SIGN1, [_PROTECTED_SIGN1, {}, payload, signature]))


def enrol(payload: bytes, private: bytes, drbg: Drbg) -> bytes:
    """Return the enrolment message for `payload` (a CBOR map, see labels.ENROL_...), signed by the identity key."""
    return sign1(payload, cbor.encode([labels.PROFILE, "enrol"]), private, drbg)


def seal(
    payload: bytes,
    epoch_keys: EpochKeys,
    epoch: int,
    direction: int,
    sequence: int,
    sender: bytes,
    recipient: bytes,
    private: bytes,
    drbg: Drbg,
) -> bytes:
    """Return the sealed message for `payload` (one CBOR map, padded here). A sequence number is used once only."""
    heap.fill_holes()
    partial_iv = _minimal(sequence, labels.PARTIAL_IV_MAX)
    key, iv = epoch_keys.of_direction(direction)
    inner_aad = external_aad(direction, epoch, epoch_keys.kid, partial_iv, sender, recipient)
    inner = sign1(padding.pad(payload, labels.PAYLOAD_MIN), inner_aad, private, drbg)
    outer_aad = enc_structure(_PROTECTED_ENCRYPT0, external_aad(direction, epoch, epoch_keys.kid, partial_iv))
    ciphertext = aes_ccm.encrypt(key, _nonce(iv, sequence), inner, outer_aad, labels.TAG_SIZE)
    unprotected = {
        labels.HEADER_KID: epoch_keys.kid,
        labels.HEADER_PARTIAL_IV: partial_iv,
        labels.HEADER_EPOCH: _minimal(epoch, labels.EPOCH_MAX),
    }
    return cbor.encode(cbor.Tag(labels.TAG_ENCRYPT0, [_PROTECTED_ENCRYPT0, unprotected, ciphertext]))


def header(sealed: bytes) -> tuple[bytes, int, int]:
    """Return (kid, epoch, sequence) as a message claims them, not yet authenticated; Rejected when malformed."""
    kid, epoch, sequence, _ = _outer(sealed)
    return kid, epoch, sequence


def open(
    sealed: bytes,
    epoch_keys: EpochKeys,
    epoch: int,
    direction: int,
    sender: bytes,
    recipient: bytes,
    sender_key: ecdsa.Verifier,
) -> tuple[int, bytes]:
    """Return (sequence number, payload without its padding) of a message sealed for us; everything else is Rejected.

    The caller keeps the window against replays.
    """
    kid, claimed_epoch, sequence, ciphertext = _outer(sealed)
    if kid != epoch_keys.kid or claimed_epoch != epoch:
        raise Rejected("kid or epoch")
    key, iv = epoch_keys.of_direction(direction)
    partial_iv = _minimal(sequence, labels.PARTIAL_IV_MAX)
    outer_aad = enc_structure(_PROTECTED_ENCRYPT0, external_aad(direction, epoch, kid, partial_iv))
    inner_aad = external_aad(direction, epoch, kid, partial_iv, sender, recipient)
    inner = aes_ccm.decrypt(key, _nonce(iv, sequence), ciphertext, outer_aad, labels.TAG_SIZE)
    return sequence, padding.unpad(open_sign1(inner, inner_aad, sender_key))


def open_sign1(message: bytes, aad: bytes, sender_key: ecdsa.Verifier) -> bytes:
    """Return the payload of a COSE_Sign1 of the profile whose signature holds and is low; else raise Rejected."""
    protected, unprotected, payload, signature = _elements(message, labels.TAG_SIGN1, 4)
    if protected != _PROTECTED_SIGN1 or unprotected != {}:
        raise Rejected("headers of the signature")
    if not isinstance(payload, bytes) or not isinstance(signature, bytes) or not ecdsa.is_low(signature):
        raise Rejected("form of the signature")
    if not sender_key.verify(sig_structure(protected, aad, payload), signature):
        raise Rejected("signature")
    return payload


def _outer(sealed: bytes) -> tuple[bytes, int, int, bytes]:
    """Return (kid, epoch, sequence, ciphertext) of a COSE_Encrypt0 in the profile's form."""
    protected, unprotected, ciphertext = _elements(sealed, labels.TAG_ENCRYPT0, 3)
    if protected != _PROTECTED_ENCRYPT0 or not isinstance(unprotected, dict) or not isinstance(ciphertext, bytes):
        raise Rejected("headers of the encryption")
    kid = unprotected.get(labels.HEADER_KID)
    if len(unprotected) != 3 or not isinstance(kid, bytes) or len(kid) != labels.KID_SIZE:
        raise Rejected("unprotected header")
    epoch = _number(unprotected.get(labels.HEADER_EPOCH), labels.EPOCH_MAX)
    return kid, epoch, _number(unprotected.get(labels.HEADER_PARTIAL_IV), labels.PARTIAL_IV_MAX), ciphertext


def _elements(message: bytes, tag: int, count: int) -> list[object]:
    item = None
    try:
        item = cbor.decode(message, (tag,), max_bytes=labels.SEALED_MAX)
    except CborError:
        pass
    if not isinstance(item, cbor.Tag) or not isinstance(item.value, list) or len(item.value) != count:
        raise Rejected("not the expected COSE message")
    return item.value


def _minimal(number: int, size_max: int) -> bytes:
    """Return the big-endian form without leading zero bytes (zero is one byte); EnvelopeError beyond `size_max`."""
    for size in range(1, size_max + 1):
        if 0 <= number < 1 << 8 * size:
            return number.to_bytes(size, "big")
    raise EnvelopeError(f"a number of {size_max} bytes at most")


def _number(field: object, size_max: int) -> int:
    if not isinstance(field, bytes) or not 0 < len(field) <= size_max or (len(field) > 1 and not field[0]):
        raise Rejected("unprotected header")
    return int.from_bytes(field, "big")


def _nonce(iv: bytes, sequence: int) -> bytes:
    return (int.from_bytes(iv, "big") ^ sequence).to_bytes(labels.IV_SIZE, "big")
