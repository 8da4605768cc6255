"""HMAC-SHA256 (RFC 2104) and HKDF-SHA256 (RFC 5869), from the one hash the stock firmware has."""

from hashlib import sha256

from envelope.errors import KeyInvalid

HASH_SIZE = 32
_BLOCK_SIZE = 64

# Both pads as one big integer each: one XOR instead of a loop over 64 bytes.
_INNER_PAD = int.from_bytes(b"\x36" * _BLOCK_SIZE, "little")
_OUTER_PAD = int.from_bytes(b"\x5c" * _BLOCK_SIZE, "little")


def hmac(key: bytes, message: bytes) -> bytes:
    """Return HMAC-SHA256, 32 bytes."""
    return hmac_padded(pads(key), message)


def pads(key: bytes) -> tuple[bytes, bytes]:
    """Return the key as the inner and the outer hash begin with it: worth keeping where one key serves often."""
    if len(key) > _BLOCK_SIZE:
        key = sha256(key).digest()
    number = int.from_bytes(key, "little")  # so that zeros follow it
    return (number ^ _INNER_PAD).to_bytes(_BLOCK_SIZE, "little"), (number ^ _OUTER_PAD).to_bytes(_BLOCK_SIZE, "little")


def hmac_padded(padded: tuple[bytes, bytes], message: bytes) -> bytes:
    """Return HMAC-SHA256 under the key that `pads` was called with."""
    inner = sha256(padded[0])
    inner.update(message)
    outer = sha256(padded[1])
    outer.update(inner.digest())
    return outer.digest()


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
