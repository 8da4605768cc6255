"""Scalar multiplication on P-256 with signed combs, for every use of the curve: one algorithm, one place to harden.

A scalar of 264 bits is written with the digits +1 and -1 only (it has to be odd: adding n makes it so). Six teeth,
44 bits apart, take one digit each; the 32 sign patterns with a positive last tooth are in a table, the others are
their negatives. So every bit of the 44 costs exactly one addition, whatever the scalar (Hamburg, "Fast and compact
elliptic-curve cryptography", 2012, section 3.3). A comb may have several tables, whose teeth start at different bits
of the 44: fewer doublings for more memory. One table is 2048 bytes: 32 affine points of x and y, big endian.

The eight bits above 256 blind the scalar with a multiple of n; `stretch` randomises every coordinate. Wider blinding
is a matter of _SPACING (a multiple of four) and a new p256_table: 48 gives 32 bits for seven percent more time.
"""

from envelope import p256

_TEETH = 6
_SPACING = 44
_SCALAR_BITS = _TEETH * _SPACING
_ENTRIES = 1 << _TEETH - 1
_TABLE_SIZE = 64 * _ENTRIES
BLIND_BITS = _SCALAR_BITS - 256


def multiply(terms: tuple[tuple[int, bytes | bytearray], ...], stretch: int = 1) -> tuple[int, int, int, int]:
    """Return the sum of scalar * point over `terms`, pairs of (odd scalar as `blinded` makes it, its comb).

    `stretch` (secret, random, not 0) sets the sum's projective representation, so that no intermediate value
    depends on the scalars alone.
    """
    point = p256.INFINITY
    rows = [(_digits(scalar), tables, _SPACING * _TABLE_SIZE // len(tables)) for scalar, tables in terms]
    for column in range(max([height for _, _, height in rows]) - 1, -1, -1):
        if point[2]:
            point = p256.double(point)
        for digits, tables, height in rows:
            if column < height:
                base = 0
                for at in range(column, _SPACING, height):
                    x, y = _entry(tables, base, digits[at])
                    base += _TABLE_SIZE
                    point = p256.add(point, x, y) if point[2] else _stretched(x, y, stretch)
    return point


def blinded(scalar: int, blind: int) -> int:
    """Return an odd scalar + r * n below 2^264 - 1; all bits of r but the last are the low bits of `blind`."""
    r = (blind & (1 << BLIND_BITS - 1) - 1) << 1
    if not scalar & 1:
        r = r + 1
    return scalar + r * p256.N


def tables(x: int, y: int, count: int) -> bytearray:
    """Return the comb of a public point as `count` tables (a divisor of 44), 2048 bytes each."""
    height = _SPACING // count
    comb = bytearray(_TABLE_SIZE * count)  # in one piece while the heap has one: the arithmetic scatters small integers
    multiples = []
    point = (x, y, 1, 1)
    for at in range(_SCALAR_BITS - _SPACING + height * (count - 1) + 1):
        doubled = p256.double(point)
        if not at % _SPACING % height:
            multiples.append(point)
            multiples.append(doubled)
        point = doubled
    corners = _all_affine(multiples)
    points = []
    for table in range(count):
        points.extend(_sign_patterns(corners[2 * table :: 2 * count], corners[2 * table + 1 :: 2 * count]))
    for index, (x, y) in enumerate(_all_affine(points)):
        comb[64 * index : 64 * index + 64] = p256.encode(x, y)[1:]
    return comb


def _digits(scalar: int) -> bytes:
    """Return 44 bytes; bit j of byte i is set where the digit of tooth j at bit i is +1."""
    # Bit i of (scalar + 2^264 - 1) / 2 is set where digit i is +1, clear where it is -1.
    signs = (scalar + (1 << _SCALAR_BITS) - 1 >> 1).to_bytes(_SCALAR_BITS // 8, "little")
    nibbles = _SPACING // 4
    transposed = b""
    for first in range(nibbles):
        spread = 0
        for tooth in range(_TEETH):
            at = first + tooth * nibbles
            nibble = signs[at >> 1] >> 4 * (at & 1) & 15
            # Its four bits over four bytes: * (1 + 2^7 + 2^14 + 2^21), & 0x01010101; small integers throughout.
            spread |= (nibble * 0x204081 & 0x1010101) << tooth
        transposed += spread.to_bytes(4, "little")
    return transposed


def _entry(tables: bytes | bytearray, base: int, digits: int) -> tuple[int, int]:
    """Return the affine point for six digits (bit set: +1) from the table that starts at `base`."""
    positive = digits >> _TEETH - 1
    base += ((digits ^ positive - 1) & _ENTRIES - 1) << 6
    y = int.from_bytes(tables[base + 32 : base + 64], "big")
    return int.from_bytes(tables[base : base + 32], "big"), (p256.P - y, y)[positive]


def _stretched(x: int, y: int, stretch: int) -> tuple[int, int, int, int]:
    p = p256.P
    zz = stretch * stretch % p
    zzz = zz * stretch % p
    return x * zz % p, y * zzz % p, zz, zzz


def _sign_patterns(teeth: list[tuple[int, int]], doubled: list[tuple[int, int]]) -> list[tuple[int, int, int, int]]:
    """Return the 32 points whose last tooth counts positive; bit j of the index is the sign of tooth j."""
    x, y = teeth[-1]
    point = (x, y, 1, 1)
    for x, y in teeth[:-1]:
        point = p256.add(point, x, p256.P - y)
    points = [point]
    for x, y in doubled[:-1]:
        points.extend([p256.add(point, x, y) for point in points])
    return points


def _all_affine(points: list[tuple[int, int, int, int]]) -> list[tuple[int, int]]:
    """Return the affine forms of finite public points with a single inversion (Montgomery's trick)."""
    p = p256.P
    products = [1]
    for point in points:
        products.append(products[-1] * point[3] % p)
    inverse = p256.inverse(products[-1], p)
    found = []
    for at in range(len(points) - 1, -1, -1):
        x, y, zz, zzz = points[at]
        i = inverse * products[at] % p
        inverse = inverse * zzz % p
        z = zz * i % p
        found.append((x * (z * z % p) % p, y * i % p))
    found.reverse()
    return found
