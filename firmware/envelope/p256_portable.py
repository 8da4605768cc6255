"""What ecdsa asks for, on MicroPython's big integers: the reference, and what runs wherever there is no kernel.

k is inverted, and d used, only under a random factor; the multiplication sees k + r*n on randomised coordinates. What
is let out has been checked: k*G lies on the curve and s satisfies its equation, which a bit flipped in any field
operation breaks; the scalar and its digits are those of k.
"""

from envelope import heap, p256, p256_comb
from envelope.errors import FaultDetected
from envelope.p256_table import GENERATOR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envelope.p256_comb import Comb


def multiply(terms: "tuple[tuple[int, Comb], ...]") -> tuple[int, int, int, int]:
    """Return the sum of scalar * point over pairs of (odd public scalar, comb) in XYZZ coordinates."""
    return p256_comb.multiply(terms)


def inverse(a: int) -> int:
    """Return 1/a modulo n of a public number, 0 for 0."""
    return p256.inverse(a, p256.N)


def times_generator(k: int, stretch: int, blind: int) -> tuple[int, int]:
    """Return k * G as (x, y), or FaultDetected. `stretch` (below p) and `blind` are random; stretch is not 0."""
    scalar = p256_comb.blinded(k, blind)
    x, y = p256.affine(p256_comb.multiply(((scalar, GENERATOR),), stretch))
    if not p256.on_curve(x, y):
        raise FaultDetected("k * G is not on the curve")
    if (scalar - k) % p256.N:
        raise FaultDetected("the scalar is not k")
    return x, y


def signature(k: int, d: int, z: int, factor: int, stretch: int, blind: int) -> tuple[int, int]:
    """Return (r, s) under nonce k for private key d and hash z, or FaultDetected. `factor`: random, 1 to n-1."""
    n = p256.N
    x, _ = times_generator(k, stretch, blind)
    heap.fill_holes()
    r = x % n
    blinded_inverse = p256.inverse(k * factor % n, n)
    s = (factor * z + (factor * d % n) * r) % n * blinded_inverse % n
    if x != r and x != r + n:
        raise FaultDetected("r is not x mod n")
    if (s * k - r * d - z) % n:
        raise FaultDetected("s does not satisfy its equation")
    return r, s
