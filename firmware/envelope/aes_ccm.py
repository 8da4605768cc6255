"""AES-CCM (RFC 3610) composed from the two modes the stock firmware has.

One CBC pass gives the MAC, one ECB pass over the counter blocks gives the key stream. Keys of 16 or 32 bytes
(`cryptolib` takes no 24), tags of M = 4..16 bytes (even), nonces of 15 - L = 7..13 bytes.
"""

import cryptolib
from micropython import const

from envelope.errors import KeyInvalid, Rejected

_BLOCK = const(16)
_MODE_ECB = const(1)
_MODE_CBC = const(2)
_AAD_LIMIT = const(0xFF00)


def encrypt(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes, tag_size: int = 16) -> bytes:
    """Return ciphertext followed by the tag."""
    _check(key, nonce, len(plaintext), aad, tag_size)
    stream = _key_stream(key, nonce, len(plaintext))
    tag = _mac(key, nonce, plaintext, aad, tag_size)
    return _xor(plaintext, stream[_BLOCK:]) + _xor(tag, stream)


def decrypt(key: bytes, nonce: bytes, sealed: bytes, aad: bytes, tag_size: int = 16) -> bytes:
    """Return the plaintext of `sealed` (ciphertext, then tag); raise Rejected when the tag does not match."""
    size = len(sealed) - tag_size
    if size < 0:
        raise Rejected("shorter than a tag")
    _check(key, nonce, size, aad, tag_size)
    stream = _key_stream(key, nonce, size)
    plaintext = _xor(sealed[:size], stream[_BLOCK:])
    tag = _xor(_mac(key, nonce, plaintext, aad, tag_size), stream)
    if not equal(tag, sealed[size:]):
        raise Rejected("authentication tag")
    return plaintext


def equal(a: bytes, b: bytes) -> bool:
    """Compare without stopping at the first difference."""
    difference = len(a) ^ len(b)
    for x, y in zip(a, b):  # noqa: B905 (MicroPython's zip has no strict; the lengths are compared above)
        difference |= x ^ y
    return difference == 0


def _check(key: bytes, nonce: bytes, size: int, aad: bytes, tag_size: int) -> None:
    if len(key) not in (16, 32):
        raise KeyInvalid("AES key of 16 or 32 bytes")
    if not 7 <= len(nonce) <= 13:
        raise KeyInvalid("CCM nonce of 7 to 13 bytes")
    if tag_size not in (4, 6, 8, 10, 12, 14, 16):
        raise KeyInvalid("CCM tag of 4 to 16 bytes, even")
    if size >= 1 << 8 * min(3, 15 - len(nonce)) or len(aad) >= _AAD_LIMIT:
        raise KeyInvalid("CCM message too long")


def _mac(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes, tag_size: int) -> bytes:
    length_size = 15 - len(nonce)
    flags = (64 if aad else 0) | (tag_size - 2) // 2 << 3 | length_size - 1
    parts = [bytes((flags,)), nonce, len(plaintext).to_bytes(length_size, "big")]
    if aad:
        parts += [len(aad).to_bytes(2, "big"), aad, bytes((-2 - len(aad)) % _BLOCK)]
    parts += [plaintext, bytes(-len(plaintext) % _BLOCK)]
    chained: bytes = cryptolib.aes(key, _MODE_CBC, bytes(_BLOCK)).encrypt(b"".join(parts))
    return chained[-_BLOCK:][:tag_size]


def _key_stream(key: bytes, nonce: bytes, size: int) -> bytes:
    """Return S_0 (it masks the tag), then the key stream for `size` bytes."""
    length_size = 15 - len(nonce)
    prefix = bytes((length_size - 1,)) + nonce
    counters = [counter.to_bytes(length_size, "big") for counter in range(1 + (size + _BLOCK - 1) // _BLOCK)]
    stream: bytes = cryptolib.aes(key, _MODE_ECB).encrypt(prefix + prefix.join(counters))
    return stream


def _xor(data: bytes, stream: bytes) -> bytes:
    size = len(data)
    if not size:
        return b""
    return (int.from_bytes(data, "big") ^ int.from_bytes(stream[:size], "big")).to_bytes(size, "big")
