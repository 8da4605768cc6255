"""Scalar multiplication on P-256 with signed combs, for every use of the curve: one algorithm, one place to harden.

A scalar of 280 bits is written with the digits +1 and -1 only (it has to be odd: adding n makes it so). Seven teeth,
40 bits apart, take one digit each; the 64 sign patterns with a positive last tooth are in a table, the others are
their negatives. So every bit of the 40 costs exactly one addition, whatever the scalar (Hamburg, "Fast and compact
elliptic-curve cryptography", 2012, section 3.3). A comb may have several tables, whose teeth start at different bits
of the 40: fewer doublings for more memory. One table is 4096 bytes: 64 affine points of x and y, big endian. It stays
on the flash.

The 24 bits above 256 blind the scalar with a multiple of n; `stretch` randomises what follows the sums of pairs.
What a signature cost once in millions of instructions on RV32IMC, and what its tables take, by teeth x bits x tables
(docs/performance.md): 7 x 40 x 4, 24 bits of blinding, 16 KB: 9.3; 6 x 44 x 4, 8 bits, 8 KB: 10.0; 6 x 48 x 4,
32 bits, 8 KB: 10.6; 8 x 36 x 2, 32 bits, 16 KB: 9.9.
"""

from micropython import const

from envelope import heap, p256
from envelope.errors import FaultDetected

TEETH = 7
SPACING = 40
_SCALAR_BITS = const(280)  # TEETH * SPACING
ENTRIES = 1 << TEETH - 1
_TABLE_SIZE = const(4096)  # ENTRIES * 64
_ROW = const(5)  # SPACING // 8
BLIND_BITS = _SCALAR_BITS - 256
# Transposes blocks of 8 x 8 bits: those that far apart change places (Warren, Hacker's Delight, 7-3). A block is one
# byte of each of eight rows, or eight bytes that follow each other
_IN_ROWS = (
    (SPACING - 1, int.from_bytes((b"\xaa" * _ROW + bytes(_ROW)) * 4, "little")),
    (2 * (SPACING - 1), int.from_bytes((b"\xcc" * 2 * _ROW + bytes(2 * _ROW)) * 2, "little")),
    (4 * (SPACING - 1), int.from_bytes(b"\xf0" * 4 * _ROW, "little")),
)
_IN_EIGHTS = (
    (7, int.from_bytes(b"\xaa\x00" * (SPACING // 2), "little")),
    (14, int.from_bytes(b"\xcc\xcc\x00\x00" * (SPACING // 4), "little")),
    (28, int.from_bytes(b"\xf0\xf0\xf0\xf0\x00\x00\x00\x00" * (SPACING // 8), "little")),
)
_LAST_TEETH = int.from_bytes(bytes((ENTRIES,)) * SPACING, "little")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ports.table import Table

    Comb = tuple[Table, ...]


def multiply(terms: "tuple[tuple[int, Comb], ...]", stretch: int = 1) -> tuple[int, int, int, int]:
    """Return the sum of scalar * point over `terms`, pairs of (odd scalar as `blinded` makes it, its comb).

    `stretch` (secret, random, not 0) sets the sum's projective representation: what comes after the tables' points
    and their sums by two depends on more than the scalars. FaultDetected when the digits used are not those of the
    scalars; a table that somebody changed is for the caller to notice: its sums leave the curve.
    """
    columns: list[list[tuple[int, int]]] = [[] for _ in range(SPACING // min([len(comb) for _, comb in terms]))]
    for scalar, comb in terms:
        points = _entries(scalar, comb)
        count = len(comb)
        column = len(columns) - SPACING // count
        if not count & 1:
            points = pair_sums(points, stretch)
            count >>= 1
        for first in range(0, len(points), count):
            columns[column].extend(points[first : first + count])
            column += 1
    x, y = columns[0].pop()
    p = p256.P
    heap.fill_holes()
    zz = stretch * stretch % p
    zzz = zz * stretch % p
    return p256.double_and_add((x * zz % p, y * zzz % p, zz, zzz), columns)


def blinded(scalar: int, blind: int) -> int:
    """Return an odd scalar + r * n below 2^280 - 1; all bits of r but the last are the low bits of `blind`."""
    r = (blind & (1 << BLIND_BITS - 1) - 1) << 1
    # No branch: the nonce's last bit is a secret, too
    return scalar + (r + 1 - (scalar & 1)) * p256.N


def _digits(scalar: int) -> bytes:
    """Return 40 bytes, one for each column: the number of its entry, and ENTRIES where it is the positive one."""
    # Bit i of (scalar + 2^280 - 1) / 2 is set where digit i is +1, clear where it is -1; a row of it is a tooth's.
    signs = scalar + (1 << _SCALAR_BITS) - 1 >> 1
    rows = list(_flipped(_transposed(signs, _IN_ROWS)).to_bytes(SPACING, "little"))
    digits: list[int] = []
    for first in range(_ROW):
        digits += rows[first::_ROW]
    return bytes(digits)


def _scalar(digits: "bytes | bytearray") -> int:
    """Return the scalar that has these digits, found in another way than they were."""
    eights = list(_transposed(_flipped(int.from_bytes(digits, "little")), _IN_EIGHTS).to_bytes(SPACING, "little"))
    signs: list[int] = []
    for tooth in range(TEETH):
        signs += eights[tooth::8]
    return 2 * int.from_bytes(bytes(signs), "little") - (1 << _SCALAR_BITS) + 1


def _flipped(digits: int) -> int:
    """Turn signs into numbers of entries or back, column by column: where the last tooth has -1, the others turn."""
    return digits ^ ((_LAST_TEETH ^ digits & _LAST_TEETH) >> TEETH - 1) * (ENTRIES - 1)


def _transposed(bits: int, steps: tuple[tuple[int, int], ...]) -> int:
    for distance, mask in steps:
        change = (bits ^ bits >> distance) & mask
        bits ^= change ^ change << distance
    return bits


def _entries(scalar: int, comb: "Comb") -> list[tuple[int, int]]:
    """Return the affine points to add, highest column first: one of every table for each column.

    A table is read from end to end where there is room for it, so that who watches the flash's wires learns nothing.
    FaultDetected when the digits, as they were really used, are not the scalar's.
    """
    digits = _digits(scalar)
    used = bytearray(SPACING)
    p = p256.P
    integer = int.from_bytes
    room = _room()
    whole = len(room) == _TABLE_SIZE
    points = [p256.G] * (SPACING // len(comb) * len(comb))
    at = 0
    for first, table in enumerate(comb):
        if whole:
            table.read(0, room)
        for place in range(len(points) - len(comb) + first, -1, -len(comb)):
            digit = digits[at]
            entry = (digit & ENTRIES - 1) << 6
            positive = digit >> TEETH - 1 & 1
            used[at] = entry >> 6 | positive << TEETH - 1
            if not whole:
                table.read(entry, room)
                entry = 0
            y = integer(room[entry + 32 : entry + 64], "big")
            points[place] = integer(room[entry : entry + 32], "big"), (p - y, y)[positive]
            at += 1
    if _scalar(used) != scalar:
        raise FaultDetected("the digits used are not those of the scalar")
    return points


def _room() -> memoryview:
    """Room for a table, or for an entry where the heap is in pieces."""
    try:
        return memoryview(bytearray(_TABLE_SIZE))
    except MemoryError:
        return memoryview(bytearray(64))


def pair_sums(points: list[tuple[int, int]], stretch: int) -> list[tuple[int, int]]:
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
        x = (slope * slope - (x1 + x2)) % p
        sums.append((x, (slope * (x1 - x) - y1) % p))
    sums.reverse()
    return sums
