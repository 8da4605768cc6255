"""ECDH on P-256 (SP 800-56A section 5.7.1.2) with full validation of the peer's key."""

from envelope import p256, p256_comb, p256_point
from envelope.drbg import Drbg
from envelope.errors import FaultDetected


def agree(private: bytes, peer_public: bytes, drbg: Drbg) -> bytes:
    """Return the shared x coordinate, 32 bytes.

    `private` is 32 bytes, `peer_public` an uncompressed point of 65. Raises KeyInvalid for a point that is not on the
    curve or a private key out of range, FaultDetected when the result failed its checks.
    """
    d = p256.decode_private(private)
    x, y = p256.decode(peer_public)
    scalar = p256_comb.blinded(d, int.from_bytes(drbg.generate(4), "big"))
    stretch = int.from_bytes(drbg.generate(32), "big") % p256.P or 1
    x, y = p256.affine(p256_point.multiply(scalar, x, y, stretch))
    if not p256.on_curve(x, y):
        raise FaultDetected("the shared point is not on the curve")
    if (scalar - d) % p256.N:
        raise FaultDetected("the scalar is not the private key")
    return x.to_bytes(32, "big")
