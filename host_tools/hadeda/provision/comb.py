"""The comb of a point of P-256, as the node's firmware/envelope/p256_comb.py reads it. For public points only.

Plain arithmetic with an inversion for each sum, and nothing imported: the firmware's tests run it on MicroPython too.
"""

TEETH = 7
SPACING = 40
P = 2**256 - 2**224 + 2**192 + 2**96 - 1


def tables(x: int, y: int, count: int) -> tuple[bytes, ...]:
    """Return `count` tables (a divisor of 40) of 64 points, 4096 bytes each.

    Table t has teeth at every 40th bit from t * 40 / count on; bit j of an entry's index is set where tooth j counts
    positive, and the last tooth always does.
    """
    height = SPACING // count
    point = x, y
    corners = []
    for _ in range(TEETH * count):
        corners.append(point)
        for _ in range(height):
            point = _sum(point, point)
    return tuple([_table(corners[first::count]) for first in range(count)])


def _table(teeth: list[tuple[int, int]]) -> bytes:
    lowest = teeth[-1]
    for x, y in teeth[:-1]:
        lowest = _sum(lowest, (x, P - y))
    points = [lowest]
    for tooth in teeth[:-1]:
        twice = _sum(tooth, tooth)
        points += [_sum(point, twice) for point in points]
    return b"".join([x.to_bytes(32, "big") + y.to_bytes(32, "big") for x, y in points])


def _sum(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """Return a + b; never opposite here: that would not depend on the point, and the generator's comb is good."""
    x1, y1 = a
    x2, y2 = b
    over, under = (3 * (x1 * x1 - 1), 2 * y1) if a == b else (y2 - y1, x2 - x1)
    slope = over * pow(under % P, P - 2, P) % P
    x = (slope * slope - x1 - x2) % P
    return x, (slope * (x1 - x) - y1) % P
