"""Scalar multiplication of a point that is met once: the city's key at an agreement, and under a signature of its own.

A comb of its own (p256_comb) would cost such a point more time than it saves, and 4096 bytes in one piece. As there,
the scalar is odd and written with the digits +1 and -1 only; four of them together are one of the odd numbers from
-15 to 15, so that every fourth bit costs exactly one addition, whatever the scalar (Joye and Tunstall, "Exponent
recoding and regular exponentiation algorithms", 2009).
"""

from micropython import const

from envelope import p256

_SCALAR_BITS = const(280)
_MULTIPLES = const(8)  # 1, 3, ... 15 times the point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Point = tuple[int, int]


def multiply(scalar: int, x: int, y: int, stretch: int = 1) -> tuple[int, int, int, int]:
    """Return scalar * (x, y) for a finite point; the scalar is odd, as p256_comb.blinded makes it.

    `stretch` (not 0; secret and random where the scalar is) sets the sum's projective representation.
    """
    p = p256.P
    zz = stretch * stretch % p
    zzz = zz * stretch % p
    twice = p256.affine(p256.double((x, y, 1, 1)))
    multiples = [(x, y, 1, 1)]
    for _ in range(_MULTIPLES - 1):
        multiples.append(p256.add(multiples[-1], *twice))
    table = p256.all_affine(multiples)
    # Bit i is set where digit i is +1, clear where it is -1
    signs = (scalar + (1 << _SCALAR_BITS) - 1 >> 1).to_bytes(_SCALAR_BITS // 8, "big")
    x, y = _entry(table, signs[0] >> 4)
    return p256.double_and_add((x * zz % p, y * zzz % p, zz, zzz), _columns(signs, table))


def _entry(table: "list[Point]", four: int) -> "Point":
    """The multiple that four digits stand for."""
    positive = four >> 3
    x, y = table[(four ^ positive - 1) & _MULTIPLES - 1]
    return x, (p256.P - y, y)[positive]


def _columns(signs: bytes, table: "list[Point]") -> "Iterator[Sequence[Point]]":
    """Yield what to add after each doubling but the first four digits'; one column at a time is in memory."""
    yield ()
    for at in range(1, 2 * len(signs)):
        yield ()
        yield ()
        yield ()
        yield (_entry(table, (signs[at >> 1] & 15) if at & 1 else signs[at >> 1] >> 4),)
