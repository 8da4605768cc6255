"""The kernel's inverse modulo any odd number below 2^256, in constant time: 600 divisions of Bernstein and Yang.

"Fast constant-time gcd computation and modular inversion" (2019), in the form that libsecp256k1 has in modinv32: nine
limbs of 30 bits with a sign, thirty steps at a time on the low words alone, which give a matrix that is then applied to
f, g and to the cofactors d, e. 590 such steps ("half delta") are enough for any 256 bits; here they are 20 * 30.
The inverse of 0 is 0.
"""

from hadeda.kernel.assembly import Assembly

LIMBS = 8
PIECES = 9
BITS = 30
ROUNDS = 20
# Places on the stack, from sp: the four numbers, the modulus in the same form, and what a round carries along
F, G, D, E, MODULUS = 100, 136, 172, 208, 244
ROUND, ZETA, INVERSE_30, TARGET = 280, 284, 288, 292
U, V, Q, R = "s0", "s1", "s2", "s3"  # the matrix
MASK = "s7"  # 2^30 - 1


def inverse(code: Assembly) -> None:
    """[a0] = 1 / [a1] mod [a2]; behind the modulus lies its inverse modulo 2^30."""
    code.load("sw", "a0", TARGET, "sp")
    code.load("lw", "a3", 4 * LIMBS, "a2")
    code.load("sw", "a3", INVERSE_30, "sp")
    code.constant(MASK, (1 << BITS) - 1)
    _in_pieces(code, "a2", MODULUS, F)
    _in_pieces(code, "a1", G, None)
    for piece in range(PIECES):
        code.load("sw", "zero", D + 4 * piece, "sp")
        code.load("sw", "zero", E + 4 * piece, "sp")
    code.put("addi", "a3", "zero", 1)
    code.load("sw", "a3", E, "sp")
    code.put("addi", "a4", "zero", -1)
    code.load("sw", "a4", ZETA, "sp")
    code.put("addi", "a3", "zero", ROUNDS)
    code.load("sw", "a3", ROUND, "sp")
    code.label("inverse_round")
    _steps(code)
    _update_cofactors(code)
    _update_numbers(code)
    code.load("lw", "a3", ROUND, "sp")
    code.put("addi", "a3", "a3", -1)
    code.load("sw", "a3", ROUND, "sp")
    code.put("bne", "a3", "zero", "inverse_round")
    _finish(code)


def _in_pieces(code: Assembly, address: str, place: int, also: int | None) -> None:
    """Eight limbs of 32 bits become nine of 30."""
    for piece in range(PIECES):
        limb, shift = divmod(BITS * piece, 32)
        code.load("lw", "a3", 4 * limb, address)
        code.put("srli", "a3", "a3", shift)
        if shift > 2 and limb + 1 < LIMBS:
            code.load("lw", "a4", 4 * (limb + 1), address)
            code.put("slli", "a4", "a4", 32 - shift)
            code.put("or_", "a3", "a3", "a4")
        code.put("and_", "a3", "a3", MASK)
        code.load("sw", "a3", place + 4 * piece, "sp")
        if also is not None:
            code.load("sw", "a3", also + 4 * piece, "sp")


def _steps(code: Assembly) -> None:
    """Thirty division steps on the low words of f and g; U, V, Q, R is the matrix, 2^30 times what they did."""
    f, g, zeta, left = "a3", "a4", "a5", "a6"
    swap, odd, part = "t0", "t1", "t2"
    code.load("lw", f, F, "sp")
    code.load("lw", g, G, "sp")
    code.load("lw", zeta, ZETA, "sp")
    # The limbs above 30 bits of f and g do not matter for thirty steps
    for register, value in ((U, 1), (V, 0), (Q, 0), (R, 1), (left, BITS)):
        code.put("addi", register, "zero", value)
    code.label("inverse_step")
    code.put("srai", swap, zeta, 31)
    code.put("andi", odd, g, 1)
    code.put("sub", odd, "zero", odd)
    for low, high in ((f, g), (U, Q), (V, R)):
        code.put("xor", part, low, swap)
        code.put("sub", part, part, swap)
        code.put("and_", part, part, odd)
        code.put("add", high, high, part)
    code.put("and_", swap, swap, odd)
    code.put("xor", zeta, zeta, swap)
    code.put("addi", zeta, zeta, -1)
    for low, high in ((f, g), (U, Q), (V, R)):
        code.put("and_", part, high, swap)
        code.put("add", low, low, part)
    code.put("srli", g, g, 1)
    code.put("slli", U, U, 1)
    code.put("slli", V, V, 1)
    code.put("addi", left, left, -1)
    code.put("bne", left, "zero", "inverse_step")
    code.load("sw", zeta, ZETA, "sp")


def _add_product(code: Assembly, low: str, high: str, a: str, b: str) -> None:
    """(high, low) += a * b, signed; uses t0 and t1."""
    code.put("mul", "t0", a, b)
    code.put("mulh", "t1", a, b)
    code.put("add", low, low, "t0")
    code.put("sltu", "t0", low, "t0")
    code.put("add", high, high, "t1")
    code.put("add", high, high, "t0")


def _shift_out(code: Assembly, low: str, high: str) -> None:
    """(high, low) >>= 30, signed; uses t0."""
    code.put("srli", low, low, BITS)
    code.put("slli", "t0", high, 32 - BITS)
    code.put("or_", low, low, "t0")
    code.put("srai", high, high, BITS)


def _update_numbers(code: Assembly) -> None:
    """(f, g) = matrix * (f, g) / 2^30, exactly."""
    sums = (("a0", "a1", U, V, F), ("a2", "a3", Q, R, G))
    for low, high, *_ in sums:
        code.copy(low, "zero")
        code.copy(high, "zero")
    code.copy("s4", "sp")
    code.put("addi", "s5", "sp", 4 * PIECES)
    code.load("lw", "a4", F, "s4")
    code.load("lw", "a5", G, "s4")
    for low, high, over_f, over_g, _ in sums:
        _add_product(code, low, high, over_f, "a4")
        _add_product(code, low, high, over_g, "a5")
        _shift_out(code, low, high)
    code.put("addi", "s4", "s4", 4)
    code.label("inverse_numbers")
    code.load("lw", "a4", F, "s4")
    code.load("lw", "a5", G, "s4")
    for low, high, over_f, over_g, place in sums:
        _add_product(code, low, high, over_f, "a4")
        _add_product(code, low, high, over_g, "a5")
        code.put("and_", "t0", low, MASK)
        code.load("sw", "t0", place - 4, "s4")
        _shift_out(code, low, high)
    code.put("addi", "s4", "s4", 4)
    code.put("bne", "s4", "s5", "inverse_numbers")
    code.load("sw", "a0", F - 4, "s4")
    code.load("sw", "a2", G - 4, "s4")


def _update_cofactors(code: Assembly) -> None:
    """(d, e) = matrix * (d, e) / 2^30 modulo the modulus, by adding what makes the division exact."""
    sums = (("a0", "a1", U, V, D, "a6"), ("a2", "a3", Q, R, E, "a7"))
    code.load("lw", "a4", D + 4 * (PIECES - 1), "sp")
    code.load("lw", "a5", E + 4 * (PIECES - 1), "sp")
    code.put("srai", "a4", "a4", 31)
    code.put("srai", "a5", "a5", 31)
    for low, high, over_d, over_e, _, times in sums:  # keeps d and e between -2 * modulus and modulus
        code.put("and_", times, over_d, "a4")
        code.put("and_", "t0", over_e, "a5")
        code.put("add", times, times, "t0")
        code.copy(low, "zero")
        code.copy(high, "zero")
    code.copy("s4", "sp")
    code.put("addi", "s5", "sp", 4 * PIECES)
    code.load("lw", "t2", INVERSE_30, "sp")
    code.load("lw", "a4", D, "s4")
    code.load("lw", "a5", E, "s4")
    code.load("lw", "s6", MODULUS, "s4")
    for low, high, over_d, over_e, _, times in sums:
        _add_product(code, low, high, over_d, "a4")
        _add_product(code, low, high, over_e, "a5")
        code.put("mul", "t0", "t2", low)
        code.put("add", "t0", "t0", times)
        code.put("and_", "t0", "t0", MASK)
        code.put("sub", times, times, "t0")
        _add_product(code, low, high, "s6", times)
        _shift_out(code, low, high)
    code.put("addi", "s4", "s4", 4)
    code.label("inverse_cofactors")
    code.load("lw", "a4", D, "s4")
    code.load("lw", "a5", E, "s4")
    code.load("lw", "s6", MODULUS, "s4")
    for low, high, over_d, over_e, place, times in sums:
        _add_product(code, low, high, over_d, "a4")
        _add_product(code, low, high, over_e, "a5")
        _add_product(code, low, high, "s6", times)
        code.put("and_", "t0", low, MASK)
        code.load("sw", "t0", place - 4, "s4")
        _shift_out(code, low, high)
    code.put("addi", "s4", "s4", 4)
    code.put("bne", "s4", "s5", "inverse_cofactors")
    code.load("sw", "a0", D - 4, "s4")
    code.load("sw", "a2", E - 4, "s4")


def _finish(code: Assembly) -> None:
    """[TARGET] = d, negated where f is -1, between 0 and the modulus, in limbs of 32 bits."""
    d = ("t2", "t3", "t4", "t5", "t6", "s0", "s1", "s2", "s3")
    for piece, limb in enumerate(d):
        code.load("lw", limb, D + 4 * piece, "sp")
    code.load("lw", "s4", F + 4 * (PIECES - 1), "sp")
    code.put("srai", "s4", "s4", 31)
    _add_modulus(code, d)
    for limb in d:
        code.put("xor", limb, limb, "s4")
        code.put("sub", limb, limb, "s4")
    _carry(code, d)
    _add_modulus(code, d)
    _carry(code, d)
    code.load("lw", "a0", TARGET, "sp")
    for word in range(LIMBS):
        piece, shift = divmod(32 * word, BITS)
        code.put("srli", "t0", d[piece], shift)
        code.put("slli", "t1", d[piece + 1], BITS - shift)
        code.put("or_", "t0", "t0", "t1")
        code.load("sw", "t0", 4 * word, "a0")


def _add_modulus(code: Assembly, d: tuple[str, ...]) -> None:
    """d += modulus where d is negative; limbs may grow beyond 30 bits."""
    code.put("srai", "t0", d[-1], 31)
    for piece, limb in enumerate(d):
        code.load("lw", "t1", MODULUS + 4 * piece, "sp")
        code.put("and_", "t1", "t1", "t0")
        code.put("add", limb, limb, "t1")


def _carry(code: Assembly, d: tuple[str, ...]) -> None:
    """Bring limbs back to 30 bits, the highest one keeps the sign."""
    for piece in range(PIECES - 1):
        code.put("srai", "t0", d[piece], BITS)
        code.put("and_", d[piece], d[piece], MASK)
        code.put("add", d[piece + 1], d[piece + 1], "t0")
