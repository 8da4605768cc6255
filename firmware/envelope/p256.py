"""Field and curve arithmetic of NIST P-256 (SP 800-186 section 3.2.1.3) on MicroPython's big integers.

Points are tuples (X, Y, ZZ, ZZZ) with x = X/ZZ, y = Y/ZZZ, ZZ^3 = ZZZ^2 ("XYZZ" coordinates); ZZ = 0 is the point
at infinity. On big integers the reduction costs twice the product, and here an addition needs only nine of them:
sums of products are reduced once.

Every reduction goes through the module's `P` and `N`: that is the seam where tests put moduli that flip bits. In
comparisons they stand on the left, because MicroPython asks only the left operand.
None of this runs in constant time; secrets are blinded before they get here (see p256_comb and ecdsa).
"""

from envelope.errors import KeyInvalid

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
INFINITY = (1, 1, 0, 0)


def double(point: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Return 2 * point."""
    x, y, zz, zzz = point
    p = P
    u = y + y
    v = u * u % p
    w = u * v % p
    s = x * v % p
    m = 3 * (x - zz) * (x + zz) % p
    x3 = (m * m - s - s) % p
    return x3, (m * (s - x3) - w * y) % p, v * zz % p, w * zzz % p


def add(point: tuple[int, int, int, int], x2: int, y2: int) -> tuple[int, int, int, int]:
    """Return point + (x2, y2), the second one affine; every exceptional case included."""
    x, y, zz, zzz = point
    if not zz:
        return x2, y2, 1, 1
    p = P
    h = (x2 * zz - x) % p
    r = (y2 * zzz - y) % p
    if not h:
        return INFINITY if r else double((x2, y2, 1, 1))
    hh = h * h % p
    hhh = h * hh % p
    q = x * hh % p
    x3 = (r * r - hhh - q - q) % p
    return x3, (r * (q - x3) - y * hhh) % p, zz * hh % p, zzz * hhh % p


def inverse(a: int, modulus: int) -> int:
    """Return 1/a by extended Euclid, whose time depends on `a`: hand in blinded values only. 0 for a = 0."""
    u, v = a % modulus, modulus
    x, y = 1, 0
    while u:
        q, remainder = divmod(v, u)
        u, v = remainder, u
        x, y = y - q * x, x
    return y % modulus


def affine(point: tuple[int, int, int, int]) -> tuple[int, int]:
    """Return (x, y) of a finite point whose coordinates are blinded or public."""
    x, y, zz, zzz = point
    p = P
    i = inverse(zzz, p)
    z = zz * i % p
    return x * (z * z % p) % p, y * i % p


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
