"""Makes the comb of a point (layout: p256_comb), as the generator's table was made."""

from micropython import const

from envelope import p256
from envelope.p256_comb import ENTRIES, SPACING, TEETH, pair_sums

_AT_A_TIME = const(8)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envelope.p256_comb import Comb


def tables(x: int, y: int, count: int) -> "Comb":
    """Return the comb of a public point as `count` tables (a divisor of 40)."""
    height = SPACING // count
    # Their room is taken while the heap still has it in one piece: the arithmetic scatters small integers.
    comb = [bytearray(64 * ENTRIES) for _ in range(count)]
    multiples = []
    point = (x, y, 1, 1)
    at = 0
    for tooth in range(TEETH):
        for table in range(count):
            doublings = tooth * SPACING + table * height - at
            point = p256.double_and_add(point, ((),) * (doublings + 1))
            at += doublings
            multiples.append(point)
            multiples.append(p256.double(point))
    corners = p256.all_affine(multiples)
    del multiples
    for table in range(count):
        _fill(comb[table], corners[2 * table :: 2 * count], corners[2 * table + 1 :: 2 * count])
    return tuple(comb)


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
            for x, y in pair_sums(pairs, 1):
                table[to : to + 64] = p256.encode(x, y)[1:]
                to += 64
        end = to
