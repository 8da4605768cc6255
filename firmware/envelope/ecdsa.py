"""ECDSA with P-256 and SHA-256 (FIPS 186-5): r || s in 64 bytes, s always low.

Signing draws k by RFC 6979 with fresh randomness mixed in (section 3.6), so neither a poor generator nor a repeated
message gives k away, and no fault can be compared with a good run. What computes with k and d is `engine`: the module
p256_portable or, where it was shipped and computes what is known, p256_kernel. It checks what it hands out. On big
integers, which are never constant in time, this hardens against timing seen from afar, not against a probe.
"""

from hashlib import sha256

from micropython import const

from envelope import heap, p256, p256_comb, p256_point, p256_portable
from envelope.drbg import Drbg
from envelope.errors import FaultDetected, KeyInvalid
from envelope.labels import KERNEL_FAILED, KERNEL_NONE, KERNEL_USED
from envelope.p256_table import GENERATOR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from envelope.p256_comb import Comb

_SIGNATURE_SIZE = const(64)
_FACTOR_SIZE = const(16)  # of a signature, before what blinds its scalar
_BLINDS_SIZE = const(16)  # of a scalar
_BLIND_AT = const(13)  # in them, behind the stretch

engine: "Any" = p256_portable
kernel = KERNEL_NONE


def use_kernel() -> None:
    """Compute with the kernel, or stop doing so: called at boot, and after every fault."""
    global engine, kernel
    if kernel == KERNEL_FAILED:
        return
    try:
        from envelope import p256_kernel
    except ImportError:
        return
    except (ValueError, MemoryError):  # made for another machine, or no room for machine code
        kernel = KERNEL_FAILED
        return
    good = p256_kernel.works()
    engine, kernel = (p256_kernel, KERNEL_USED) if good else (p256_portable, KERNEL_FAILED)


def make_key(drbg: Drbg) -> tuple[bytes, bytes]:
    """Return (private key, 32 bytes; public key, 65 bytes)."""
    while True:
        private = drbg.generate(32)
        if p256.N > int.from_bytes(private, "big") > 0:
            return private, public_key(private, drbg)


def public_key(private: bytes, drbg: Drbg) -> bytes:
    """Return the 65-byte public key of a private one; KeyInvalid when that is out of range."""
    blinds = _scalar_blinds(drbg.generate(_BLINDS_SIZE))
    return p256.encode(*engine.times_generator(p256.decode_private(private), *blinds))


def sign(private: bytes, message: bytes, drbg: Drbg) -> bytes:
    """Return the 64-byte signature of `message`; KeyInvalid, or FaultDetected when a check failed."""
    d = p256.decode_private(private)
    z = int.from_bytes(sha256(message).digest(), "big")
    heap.fill_holes()
    n = p256.N
    seed = private + (z - n if n <= z else z).to_bytes(32, "big")
    while True:
        nonce = Drbg(seed, drbg.generate(32)).last(32 + _FACTOR_SIZE + _BLINDS_SIZE)
        k = int.from_bytes(nonce[:32], "big")
        if p256.N > k > 0:
            signature = _sign_with(k, d, z, nonce[32:])
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

    `comb` is the key's comb of two tables where somebody made one: a check then takes a third of the time. What it does
    not find valid is looked at once more without it, so that a damaged one does no harm. But it stands for the key:
    only who may say what the key is may give it.
    """

    def __init__(self, public: bytes, comb: "Comb" = ()) -> None:
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
        w = engine.inverse(s)
        u1, u2 = p256_comb.blinded(z * w % n, 0), p256_comb.blinded(r * w % n, 0)
        return (bool(self._comb) and self._holds_by_comb(u1, u2, r)) or self._holds(u1, u2, r)

    def _holds_by_comb(self, u1: int, u2: int, r: int) -> bool:
        try:
            return _has_x(engine.multiply(((u1, GENERATOR), (u2, self._comb))), r)
        except (FaultDetected, OSError):
            return False

    def _holds(self, u1: int, u2: int, r: int) -> bool:
        """Tell whether u1 * G + u2 * the key's point has x = r; both scalars odd, as p256_comb.blinded makes them."""
        point = p256_point.multiply(u2, *self._point)
        rest = engine.multiply(((u1, GENERATOR),))
        return _has_x(p256.add(point, *p256.affine(rest)) if rest[2] else point, r)


def _has_x(point: tuple[int, int, int, int], r: int) -> bool:
    """Tell whether a finite point's x is r modulo n, without an inversion: r itself, or r + n where that is below p."""
    x, _, zz, _ = point
    n = p256.N
    return bool(zz) and (not (r * zz - x) % p256.P or (r + n < p256.P and not ((r + n) * zz - x) % p256.P))


def _sign_with(k: int, d: int, z: int, blinds: bytes) -> bytes:
    """Return the signature under nonce k; empty when r or s came out as 0 (the next k is due then)."""
    n = p256.N
    factor = int.from_bytes(blinds[:_FACTOR_SIZE], "big") or 1
    try:
        r, s = engine.signature(k, d, z, factor, *_scalar_blinds(blinds[_FACTOR_SIZE:]))
    except FaultDetected:
        use_kernel()
        raise
    if not r or not s:
        return b""
    if s > n >> 1:
        s = n - s
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _scalar_blinds(blinds: bytes) -> tuple[int, int]:
    """What stretches the coordinates, not 0 and below p, and what blinds the scalar."""
    return int.from_bytes(blinds[:_BLIND_AT], "big") or 1, int.from_bytes(blinds[_BLIND_AT:], "big")
