"""Field and curve arithmetic of NIST P-256 (SP 800-186 section 3.2.1.3) on MicroPython's big integers.

Points are tuples (X, Y, ZZ, ZZZ) with x = X/ZZ, y = Y/ZZZ, ZZ^3 = ZZZ^2 ("XYZZ" coordinates); ZZ = 0 is the point
at infinity. On big integers the reduction costs twice the product, and here an addition needs only nine of them:
sums of products are reduced once.

Every reduction goes through the module's `P` and `N`: that is the seam where tests put moduli that flip bits. In
comparisons they stand on the left, because MicroPython asks only the left operand.
None of this runs in constant time; secrets are blinded before they get here (see p256_comb and ecdsa).
"""

from micropython import const

from envelope import heap
from envelope.errors import KeyInvalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
INFINITY = (1, 1, 0, 0)

# Of a number of 256 bits, the leading 30 (28 at least) are a small integer; quotients are good until 14 are left of it.
_LEADING_SHIFT = const(228)
_STEP = const(14)
# What a remainder's cofactor gets below it: its 257 bits, a sign, and whole digits of a big integer
_COFACTOR_BITS = const(272)
_COFACTOR_HALF = 1 << _COFACTOR_BITS - 1


def double_and_add(
    point: tuple[int, int, int, int], columns: "Iterable[Sequence[tuple[int, int]]]"
) -> tuple[int, int, int, int]:
    """Return `point` plus the affine points of columns[0], doubled, plus those of columns[1], doubled, and so on.

    Every exceptional case is included. This is one function because on MicroPython a call takes its frame from the
    heap and gives it back behind everything allocated since: calls in the loop would make every allocation search.
    """
    x, y, zz, zzz = point
    p = P
    inner = False
    for column in columns:
        if inner and zz:
            u = y + y
            v = u * u % p
            w = u * v % p
            s = x * v % p
            m = 3 * (x - zz) * (x + zz) % p
            x = (m * m - (s + s)) % p
            y = (m * (s - x) - w * y) % p
            zz = v * zz % p
            zzz = w * zzz % p
        inner = True
        for x2, y2 in column:
            if not zz:
                x, y, zz, zzz = x2, y2, 1, 1
                continue
            h = (x2 * zz - x) % p
            r = (y2 * zzz - y) % p
            if not h:
                x, y, zz, zzz = INFINITY if r else double((x2, y2, 1, 1))
                continue
            hh = h * h % p
            s = x * hh % p
            hhh = h * hh % p
            x = (r * r - (hhh + s + s)) % p
            y = (r * (s - x) - y * hhh) % p
            zz = zz * hh % p
            zzz = zzz * hhh % p
    return x, y, zz, zzz


def double(point: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Return 2 * point."""
    return double_and_add(point, ((), ()))


def add(point: tuple[int, int, int, int], x2: int, y2: int) -> tuple[int, int, int, int]:
    """Return point + (x2, y2), the second one affine."""
    return double_and_add(point, (((x2, y2),),))


def inverse(a: int, modulus: int) -> int:
    """Return 1/a by extended Euclid, whose time depends on `a`: hand in blinded values only. 0 for a = 0.

    In Lehmer's way: quotients come from the thirty leading bits, small integers that cost no heap, and a matrix of
    them is applied to the big ones. A wrong quotient does no harm, any such matrix keeps the divisor and the cofactors.
    A remainder and its cofactor are one number, remainder << 272 | cofactor with its sign: half as many big integers.
    In one piece, because a call in the loop would take its frame from the heap.
    """
    half = _COFACTOR_HALF
    heap.fill_holes()
    u, v = modulus << _COFACTOR_BITS, (a % modulus << _COFACTOR_BITS) + 1
    shift = _LEADING_SHIFT
    while v > half:  # its remainder is not 0
        if shift:
            u1, v1 = u >> shift + _COFACTOR_BITS, v >> shift + _COFACTOR_BITS
        else:  # all of the remainders
            u1, v1 = u + half >> _COFACTOR_BITS, v + half >> _COFACTOR_BITS
        a = d = 1
        b = c = 0
        enough = 1 << _STEP if shift else 0
        while v1 > enough:
            q = u1 // v1
            u1 %= v1
            a -= q * c
            b -= q * d
            if u1 <= enough:
                break
            q = v1 // u1
            v1 %= u1
            c -= q * a
            d -= q * b
        if b:
            u, v = u * a + v * b, u * c + v * d
            if u < 0:
                u = -u
            if v < 0:
                v = -v
            if u < v:
                u, v = v, u
        else:
            u, v = v, u % v
        shift = shift - _STEP if shift > _STEP else 0
    return ((u + half & 2 * half - 1) - half) % modulus


def affine(point: tuple[int, int, int, int]) -> tuple[int, int]:
    """Return (x, y) of a finite point whose coordinates are blinded or public."""
    x, y, zz, zzz = point
    p = P
    i = inverse(zzz, p)
    z = zz * i % p
    return x * (z * z % p) % p, y * i % p


def all_affine(points: list[tuple[int, int, int, int]]) -> list[tuple[int, int]]:
    """Return the affine forms of finite public points with a single inversion (Montgomery); empties `points`."""
    p = P
    products = [1]
    for point in points:
        products.append(products[-1] * point[3] % p)
    rest = inverse(products[-1], p)
    found = []
    for at in range(len(points) - 1, -1, -1):
        x, y, zz, zzz = points.pop()  # as integers a point takes two hundred bytes
        i = rest * products[at] % p
        rest = rest * zzz % p
        z = zz * i % p
        found.append((x * (z * z % p) % p, y * i % p))
    found.reverse()
    return found


def on_curve(x: int, y: int) -> bool:
    """Tell whether y^2 = x^3 - 3x + b."""
    return not (y * y - (x * x % P - 3) * x - B) % P


def decode(public: bytes) -> tuple[int, int]:
    """Return (x, y) of an uncompressed point after full validation (SP 800-56A section 5.6.2.3.3), or KeyInvalid.

    The curve has prime order, so a finite point on it with reduced coordinates has the right order.
    """
    if len(public) != 65 or public[0] != 4:
        raise KeyInvalid("a public key is 65 bytes, uncompressed")
    x = int.from_bytes(public[1:33], "big")
    y = int.from_bytes(public[33:], "big")
    if P <= x or P <= y or not on_curve(x, y):  # noqa: SIM300 (see the module's docstring)
        raise KeyInvalid("not a point of P-256")
    return x, y


def encode(x: int, y: int) -> bytes:
    """Return the 65-byte uncompressed point."""
    return b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")


def decode_private(private: bytes) -> int:
    """Return the scalar of a 32-byte private key; KeyInvalid outside 1 .. n-1."""
    d = int.from_bytes(private, "big")
    if len(private) != 32 or not N > d > 0:
        raise KeyInvalid("a private key is 32 bytes, 1 to n-1")
    return d
