"""ECDSA with P-256 and SHA-256 (FIPS 186-5): r || s in 64 bytes, s always low.

Signing draws k by RFC 6979 with fresh randomness mixed in (section 3.6), so neither a poor generator nor a repeated
message gives k away, and no fault can be compared with a good run. The multiplication sees k + r*n on randomised
coordinates; k is inverted, and d used, only under a random factor. Before a signature is let out, k*G has to lie on
the curve and s has to satisfy its equation, which a bit flipped in any field operation breaks; the scalar and its
digits have to be those of k.
Big integers are never constant in time: this hardens against timing seen from afar, not against a probe.
"""

from hashlib import sha256

from micropython import const

from envelope import arithmetic, p256, p256_comb, p256_point
from envelope.drbg import Drbg
from envelope.errors import FaultDetected, KeyInvalid
from envelope.p256_table import GENERATOR

_SIGNATURE_SIZE = const(64)
_STRETCH_AT = const(32)
_SCALAR_BLIND_AT = const(64)
_BLINDS_SIZE = const(67)


def make_key(drbg: Drbg) -> tuple[bytes, bytes]:
    """Return (private key, 32 bytes; public key, 65 bytes)."""
    while True:
        private = drbg.generate(32)
        if p256.N > int.from_bytes(private, "big") > 0:
            return private, public_key(private, drbg)


def public_key(private: bytes, drbg: Drbg) -> bytes:
    """Return the 65-byte public key of a private one; KeyInvalid when that is out of range."""
    return p256.encode(*_times_generator(p256.decode_private(private), drbg.generate(_BLINDS_SIZE)))


def sign(private: bytes, message: bytes, drbg: Drbg) -> bytes:
    """Return the 64-byte signature of `message`; KeyInvalid, or FaultDetected when a check failed."""
    d = p256.decode_private(private)
    z = int.from_bytes(sha256(message).digest(), "big")
    seed = private + (z % p256.N).to_bytes(32, "big")
    while True:
        nonce = Drbg(seed, drbg.generate(32)).last(32 + _BLINDS_SIZE)
        k = int.from_bytes(nonce[:32], "big")
        if p256.N > k > 0:
            try:
                signature = _sign_with(k, d, z, nonce[32:])
            except FaultDetected:
                arithmetic.check()
                raise
            if signature:
                return signature


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether `signature` (r || s, low or high s) is that of `message` under a 65-byte public key."""
    try:
        return Verifier(public).verify(message, signature)
    except KeyInvalid:
        return False


def is_low(signature: bytes) -> bool:
    """Tell whether s is in the lower half, the only one the profile lets in (the other is a second valid form)."""
    return int.from_bytes(signature[32:], "big") <= p256.N >> 1


class Verifier:
    """Checks signatures of one public key (65 bytes; KeyInvalid when it is none).

    `comb` is the key's comb of one table where somebody made one (4096 bytes; what follows them is not looked at): a
    check then takes less than half as long. It stands for the key: only who may say what the key is may give it.
    """

    def __init__(self, public: bytes, comb: bytes = b"") -> None:
        self.public = bytes(public)
        self._point = p256.decode(self.public)
        self._comb = comb

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Tell whether `signature` (r || s) is that of `message`; FaultDetected when a check failed."""
        r = int.from_bytes(signature[:32], "big")
        s = int.from_bytes(signature[32:], "big")
        n = p256.N
        if len(signature) != _SIGNATURE_SIZE or not n > r > 0 or not n > s > 0:
            return False
        z = int.from_bytes(sha256(message).digest(), "big")
        w = arithmetic.inverse(s, n)
        point = self._sum(p256_comb.blinded(z * w % n, 0), p256_comb.blinded(r * w % n, 0))
        # x mod n = r without an inversion: x is r, or r + n where that is still below p.
        x, zz = point[0], point[2]
        return bool(zz) and (not (r * zz - x) % p256.P or (r + n < p256.P and not ((r + n) * zz - x) % p256.P))

    def _sum(self, u1: int, u2: int) -> tuple[int, int, int, int]:
        """Return u1 * G + u2 * the key's point; both scalars odd, as p256_comb.blinded makes them."""
        if self._comb:
            return arithmetic.multiply(((u1, GENERATOR), (u2, (self._comb,))))
        point = p256_point.multiply(u2, *self._point)
        rest = arithmetic.multiply(((u1, GENERATOR),))
        return p256.add(point, *arithmetic.affine(rest)) if rest[2] else point


def _times_generator(k: int, blinds: bytes) -> tuple[int, int]:
    """Return k * G as (x, y), checked to be on the curve."""
    stretch = int.from_bytes(blinds[_STRETCH_AT:_SCALAR_BLIND_AT], "big") % p256.P or 1
    blind = int.from_bytes(blinds[_SCALAR_BLIND_AT:], "big")
    scalar = p256_comb.blinded(k, blind)
    x, y = arithmetic.affine(arithmetic.multiply(((scalar, GENERATOR),), stretch))
    if not p256.on_curve(x, y):
        raise FaultDetected("k * G is not on the curve")
    if (scalar - k) % p256.N:
        raise FaultDetected("the scalar is not k")
    return x, y


def _sign_with(k: int, d: int, z: int, blinds: bytes) -> bytes:
    """Return the signature under nonce k; empty when r or s came out as 0 (the next k is due then)."""
    n = p256.N
    x, _ = _times_generator(k, blinds)
    r = x % n
    factor = int.from_bytes(blinds[:_STRETCH_AT], "big") % n or 1
    blinded_inverse = arithmetic.inverse(k * factor % n, n)
    s = (factor * z + (factor * d % n) * r) % n * blinded_inverse % n
    if x != r and x != r + n:
        raise FaultDetected("r is not x mod n")
    if (s * k - r * d - z) % n:
        raise FaultDetected("s does not satisfy its equation")
    if not r or not s:
        return b""
    if s > n >> 1:
        s = n - s
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")
