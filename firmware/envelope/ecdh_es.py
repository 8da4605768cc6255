"""COSE_Encrypt to one recipient by ECDH-ES (RFC 9052 section 5.1, RFC 9053 section 6.3.1), the sender's side.

    96([ h'a101181e', {5: iv}, AES-CCM(...), [[ h'a1013818', {-1: ephemeral key}, b'' ]] ])

The key agreed on is the content key itself (algorithm -25); the node only ever sends such a message.
"""

from envelope import aes_ccm, cbor, hkdf, labels
from envelope.drbg import Drbg

_PROTECTED_ENCRYPT = cbor.encode({labels.HEADER_ALG: labels.ALG_AES_CCM_16_128_128})
_PROTECTED_RECIPIENT = cbor.encode({labels.HEADER_ALG: labels.ALG_ECDH_ES_HKDF_256})


def kdf_context() -> bytes:
    """Return the COSE_KDF_Context of the content key (RFC 9053 section 5.2): no party information, 128 bits."""
    nobody = [None, None, None]
    public_info = [8 * labels.KEY_SIZE, _PROTECTED_RECIPIENT]
    return cbor.encode([labels.ALG_AES_CCM_16_128_128, nobody, nobody, public_info])


def content_key(z: bytes) -> bytes:
    """Return the key of the message (16 bytes) from the ECDH secret."""
    return hkdf.expand(hkdf.extract(b"", z), kdf_context(), labels.KEY_SIZE)


def enc_structure(aad: bytes) -> bytes:
    """Return the Enc_structure of the COSE_Encrypt: the cipher's associated data (RFC 9052 section 5.3)."""
    return cbor.encode(["Encrypt", _PROTECTED_ENCRYPT, aad])


def seal(plaintext: bytes, z: bytes, ephemeral_public: bytes, aad: bytes, drbg: Drbg) -> bytes:
    """Return the tagged message, given the ECDH secret of recipient and ephemeral key (65 bytes)."""
    iv = drbg.generate(labels.IV_SIZE)
    ciphertext = aes_ccm.encrypt(content_key(z), iv, plaintext, enc_structure(aad), labels.TAG_SIZE)
    cose_key = {1: 2, -1: 1, -2: ephemeral_public[1:33], -3: ephemeral_public[33:]}
    recipient = [_PROTECTED_RECIPIENT, {labels.HEADER_EPHEMERAL_KEY: cose_key}, b""]
    message = [_PROTECTED_ENCRYPT, {labels.HEADER_IV: iv}, ciphertext, [recipient]]
    return cbor.encode(cbor.Tag(labels.TAG_ENCRYPT, message))
