"""Scalar multiplication on P-256 with signed combs, for every use of the curve: one algorithm, one place to harden.

A scalar of 280 bits is written with the digits +1 and -1 only (it has to be odd: adding n makes it so). Seven teeth,
40 bits apart, take one digit each; the 64 sign patterns with a positive last tooth are in a table, the others are
their negatives. So every bit of the 40 costs exactly one addition, whatever the scalar (Hamburg, "Fast and compact
elliptic-curve cryptography", 2012, section 3.3). A comb may have several tables, whose teeth start at different bits
of the 40: fewer doublings for more memory. One table is 4096 bytes, an object of its own because a crowded heap has
no larger holes: 64 affine points of x and y, big endian.

The 24 bits above 256 blind the scalar with a multiple of n; `stretch` randomises what follows the sums of pairs.
What a signature costs in millions of instructions on RV32IMC, and what its tables take, by teeth x bits x tables
(docs/performance.md): 7 x 40 x 4, 24 bits of blinding, 16 KB: 9.3; 6 x 44 x 4, 8 bits, 8 KB: 10.0; 6 x 48 x 4,
32 bits, 8 KB: 10.6; 8 x 36 x 2, 32 bits, 16 KB: 9.9.
"""

from envelope import p256
from envelope.errors import FaultDetected

_TEETH = 7
_SPACING = 40
_SCALAR_BITS = _TEETH * _SPACING
_ENTRIES = 1 << _TEETH - 1
BLIND_BITS = _SCALAR_BITS - 256
_AT_A_TIME = 8
# Transposes the 8 x 8 bits of every 8 bytes: bits that far apart change places (Warren, Hacker's Delight, 7-3)
_TRANSPOSE = (
    (7, int.from_bytes(b"\xaa\x00" * (_SPACING // 2), "little")),
    (14, int.from_bytes(b"\xcc\xcc\x00\x00" * (_SPACING // 4), "little")),
    (28, int.from_bytes(b"\xf0\xf0\xf0\xf0\x00\x00\x00\x00" * (_SPACING // 8), "little")),
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Comb = tuple[bytes | bytearray, ...]
    Point = tuple[int, int]


def multiply(terms: "tuple[tuple[int, Comb], ...]", stretch: int = 1) -> tuple[int, int, int, int]:
    """Return the sum of scalar * point over `terms`, pairs of (odd scalar as `blinded` makes it, its comb).

    `stretch` (secret, random, not 0) sets the sum's projective representation: what comes after the tables' points
    and their sums by two depends on more than the scalars. FaultDetected when the points added are not those of the
    scalars; a table that somebody changed is for the caller to notice: its sums leave the curve.
    """
    parts: list[tuple[int, int, Iterator[Point]]] = []
    for scalar, comb in terms:
        points = _entries(scalar, comb)
        count = len(comb)
        if not count & 1:
            points = iter(_pair_sums(list(points), stretch))
            count >>= 1
        parts.append((count, _SPACING // len(comb), points))
    columns = _columns(parts)
    first = next(columns)
    x, y = first.pop()
    p = p256.P
    zz = stretch * stretch % p
    zzz = zz * stretch % p
    return p256.double_and_add((x * zz % p, y * zzz % p, zz, zzz), _with(first, columns))


def _columns(parts: "list[tuple[int, int, Iterator[Point]]]") -> "Iterator[list[Point]]":
    """Yield the points to add column by column, highest first, of parts (points a column, columns, all points).

    The points of a comb in one table come out of it as they are needed: all of them together would be as much heap
    again as the table, and a node that opens a letter has not got that.
    """
    for column in range(max([height for _, height, _ in parts]) - 1, -1, -1):
        points: list[Point] = []
        for count, height, found in parts:
            if column < height:
                for _ in range(count):
                    points.append(next(found))
        yield points
    for _, _, found in parts:
        for _ in found:  # none is left, but what an iterator checks at its end is checked now
            pass


def _with(first: "list[Point]", others: "Iterator[list[Point]]") -> "Iterator[list[Point]]":
    yield first
    yield from others


def blinded(scalar: int, blind: int) -> int:
    """Return an odd scalar + r * n below 2^280 - 1; all bits of r but the last are the low bits of `blind`."""
    r = (blind & (1 << BLIND_BITS - 1) - 1) << 1
    if not scalar & 1:
        r = r + 1
    return scalar + r * p256.N


def tables(x: int, y: int, count: int) -> "Comb":
    """Return the comb of a public point as `count` tables (a divisor of 40)."""
    height = _SPACING // count
    # Their room is taken while the heap still has it in one piece: the arithmetic scatters small integers.
    comb = [bytearray(64 * _ENTRIES) for _ in range(count)]
    multiples = []
    point = (x, y, 1, 1)
    at = 0
    for tooth in range(_TEETH):
        for table in range(count):
            doublings = tooth * _SPACING + table * height - at
            point = p256.double_and_add(point, ((),) * (doublings + 1))
            at += doublings
            multiples.append(point)
            multiples.append(p256.double(point))
    corners = _all_affine(multiples)
    del multiples
    for table in range(count):
        _fill(comb[table], corners[2 * table :: 2 * count], corners[2 * table + 1 :: 2 * count])
    return tuple(comb)


def _digits(scalar: int) -> bytes:
    """Return 40 bytes; bit j of byte i is set where the digit of tooth j at bit i is +1."""
    # Bit i of (scalar + 2^280 - 1) / 2 is set where digit i is +1, clear where it is -1.
    signs = (scalar + (1 << _SCALAR_BITS) - 1 >> 1).to_bytes(_SCALAR_BITS // 8, "little")
    stride = _SPACING // 8
    transposed = b""
    for first in range(stride):
        low = high = 0
        at = first
        for tooth in range(_TEETH):
            eight = signs[at]
            at += stride
            # Four bits over four bytes: * (1 + 2^7 + 2^14 + 2^21), & 0x01010101; hardly a big integer in it.
            low |= ((eight & 15) * 0x204081 & 0x1010101) << tooth
            high |= ((eight >> 4) * 0x204081 & 0x1010101) << tooth
        transposed += low.to_bytes(4, "little") + high.to_bytes(4, "little")
    return transposed


def _scalar(digits: "bytes | bytearray") -> int:
    """Return the scalar that has these digits, found in another way than they were."""
    bits = int.from_bytes(digits, "little")
    for distance, mask in _TRANSPOSE:
        change = (bits ^ bits >> distance) & mask
        bits ^= change ^ change << distance
    eights = list(bits.to_bytes(_SPACING, "little"))
    signs = b"".join([bytes(eights[tooth::8]) for tooth in range(_TEETH)])
    return 2 * int.from_bytes(signs, "little") - (1 << _SCALAR_BITS) + 1


def _entries(scalar: int, comb: "Comb") -> "Iterator[Point]":
    """Yield the affine points to add, highest column first: one of every table for each column.

    FaultDetected at its end when the digits, as they were really used, are not the scalar's.
    """
    digits = _digits(scalar)
    used = bytearray(_SPACING)
    p = p256.P
    integer = int.from_bytes
    height = _SPACING // len(comb)
    for column in range(height - 1, -1, -1):
        at = column
        for table in comb:
            signs = digits[at]
            positive = signs >> _TEETH - 1 & 1
            entry = ((signs ^ positive - 1) & _ENTRIES - 1) << 6
            y = integer(table[entry + 32 : entry + 64], "big")
            yield integer(table[entry : entry + 32], "big"), (p - y, y)[positive]
            used[at] = (entry >> 6 ^ positive - 1) & _ENTRIES - 1 | positive << _TEETH - 1
            at += height
    if _scalar(used) != scalar:
        raise FaultDetected("the digits used are not those of the scalar")


def _pair_sums(points: list[tuple[int, int]], stretch: int) -> list[tuple[int, int]]:
    """Return the sum of every two neighbours, which must not be equal or opposite, for one inversion in all.

    That is Montgomery's trick; `stretch` blinds what is inverted. An affine sum costs two thirds of one in XYZZ.
    Points of one comb never are equal or opposite: the x of all its tables differ (a test looks at the generator's,
    and the multiples are the same for every point).
    """
    p = p256.P
    products = [stretch]
    for at in range(0, len(points), 2):
        products.append(products[-1] * (points[at + 1][0] - points[at][0]) % p)
    inverse = p256.inverse(products.pop(), p)
    sums = []
    while products:
        at = 2 * len(products) - 2
        x1, y1 = points[at]
        x2, y2 = points[at + 1]
        slope = inverse * products.pop() % p * (y2 - y1) % p
        if products:
            inverse = inverse * (x2 - x1) % p
        x = (slope * slope - x1 - x2) % p
        sums.append((x, (slope * (x1 - x) - y1) % p))
    sums.reverse()
    return sums


def _fill(table: bytearray, teeth: list[tuple[int, int]], doubled: list[tuple[int, int]]) -> None:
    """Write the points whose last tooth counts positive; bit j of the index is the sign of tooth j.

    A few at a time: in the table a point takes 64 bytes, as integers more than twice that.
    """
    negatives = [(x, p256.P - y) for x, y in teeth[:-1]]
    x, y = teeth[-1]
    table[:64] = p256.encode(*p256.affine(p256.double_and_add((x, y, 1, 1), (negatives,))))[1:]
    integer = int.from_bytes
    end = 64
    for corner in doubled[:-1]:
        to = end
        for first in range(0, end, 64 * _AT_A_TIME):
            pairs = []
            for at in range(first, min(end, first + 64 * _AT_A_TIME), 64):
                pairs.append((integer(table[at : at + 32], "big"), integer(table[at + 32 : at + 64], "big")))
                pairs.append(corner)
            for x, y in _pair_sums(pairs, 1):
                table[to : to + 64] = p256.encode(x, y)[1:]
                to += 64
        end = to


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
