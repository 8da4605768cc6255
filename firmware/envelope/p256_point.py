"""Scalar multiplication of a point that is met once: the city's key at an agreement, and under a signature of its own.

A comb of its own (p256_comb) would cost such a point more time than it saves, and 4096 bytes in one piece. As there,
the scalar is odd and written with the digits +1 and -1 only; four of them together are one of the odd numbers from
-15 to 15, so that every fourth bit costs exactly one addition, whatever the scalar (Joye and Tunstall, "Exponent
recoding and regular exponentiation algorithms", 2009).
"""

from micropython import const

from envelope import p256
from envelope.errors import FaultDetected

_SCALAR_BITS = const(280)
_MULTIPLES = const(8)  # 1, 3, ... 15 times the point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Point = tuple[int, int]


def multiply(scalar: int, x: int, y: int, stretch: int = 1) -> tuple[int, int, int, int]:
    """Return scalar * (x, y) for a finite point; the scalar is odd, as p256_comb.blinded makes it.

    `stretch` (not 0; secret and random where the scalar is) sets the sum's projective representation. FaultDetected
    when the digits used are not those of the scalar; a multiple that somebody changed is for the caller to notice: it
    is no point of this curve, and neither is the sum.
    """
    p = p256.P
    zz = stretch * stretch % p
    zzz = zz * stretch % p
    twice = p256.affine(p256.double((x, y, 1, 1)))
    multiples = [(x, y, 1, 1)]
    for _ in range(_MULTIPLES - 1):
        multiples.append(p256.add(multiples[-1], *twice))
    table = p256.all_affine(multiples)
    signs = _digits(scalar)
    x, y, used = _entry(table, signs[0] >> 4)
    return p256.double_and_add((x * zz % p, y * zzz % p, zz, zzz), _columns(signs, table, used, scalar))


def _digits(scalar: int) -> bytes:
    """Return 35 bytes, highest first; a bit is set where that digit is +1, clear where it is -1."""
    return (scalar + (1 << _SCALAR_BITS) - 1 >> 1).to_bytes(_SCALAR_BITS // 8, "big")


def _entry(table: "list[Point]", four: int) -> "tuple[int, int, int]":
    """(x, y, odd number from -15 to 15) of the multiple that four digits stand for."""
    positive = four >> 3 & 1
    at = (four ^ positive - 1) & _MULTIPLES - 1
    x, y = table[at]
    return x, (p256.P - y, y)[positive], (-2 * at - 1, 2 * at + 1)[positive]


def _columns(signs: bytes, table: "list[Point]", used: int, scalar: int) -> "Iterator[Sequence[Point]]":
    """Yield what to add after each doubling but the first four digits'; one column at a time is in memory.

    `used` is the number that was added before. FaultDetected at the end when all of them are not `scalar`.
    """
    yield ()
    for at in range(1, 2 * len(signs)):
        yield ()
        yield ()
        yield ()
        x, y, number = _entry(table, (signs[at >> 1] & 15) if at & 1 else signs[at >> 1] >> 4)
        used = used * 16 + number
        yield ((x, y),)
    if used != scalar:
        raise FaultDetected("the digits used are not those of the scalar")
