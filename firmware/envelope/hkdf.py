"""HMAC-SHA256 (RFC 2104) and HKDF-SHA256 (RFC 5869), from the one hash the stock firmware has."""

from hashlib import sha256

from envelope.errors import KeyInvalid

HASH_SIZE = 32
_BLOCK_SIZE = 64

# Both pads as one big integer each: one XOR instead of a loop over 64 bytes.
_INNER_PAD = int.from_bytes(b"\x36" * _BLOCK_SIZE, "big")
_OUTER_PAD = int.from_bytes(b"\x5c" * _BLOCK_SIZE, "big")


def hmac(key: bytes, message: bytes) -> bytes:
    """Return HMAC-SHA256, 32 bytes."""
    if len(key) > _BLOCK_SIZE:
        key = sha256(key).digest()
    padded = int.from_bytes(key, "big") << 8 * (_BLOCK_SIZE - len(key))
    inner = sha256((padded ^ _INNER_PAD).to_bytes(_BLOCK_SIZE, "big") + message).digest()
    return sha256((padded ^ _OUTER_PAD).to_bytes(_BLOCK_SIZE, "big") + inner).digest()


def extract(salt: bytes, ikm: bytes) -> bytes:
    """Return the pseudorandom key, 32 bytes (RFC 5869 section 2.2); an empty salt stands for 32 zero bytes."""
    return hmac(salt or bytes(HASH_SIZE), ikm)


def expand(prk: bytes, info: bytes, length: int) -> bytes:
    """Return `length` bytes of output keying material (RFC 5869 section 2.3); KeyInvalid beyond 255 blocks."""
    if not 0 < length <= 255 * HASH_SIZE:
        raise KeyInvalid("HKDF gives 1 to 8160 bytes")
    okm = block = b""
    counter = 0
    while len(okm) < length:
        counter += 1
        block = hmac(prk, block + info + bytes((counter,)))
        okm += block
    return okm[:length]
