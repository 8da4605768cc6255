"""Field operations of the kernel: product, sum and difference modulo p of P-256, in eight limbs of 32 bits.

Numbers are below p before and after. Products are Montgomery's with R = 2^256, one limb of the second factor at a time
(CIOS). As p = 2^256 - 2^224 + 2^192 + 2^96 - 1 is -1 modulo 2^32, the multiple of p that clears a limb is that limb
itself, and adding it takes no multiplication. Every number goes the same way: there is no branch in here.

A handler finds the addresses of destination and operands in a0, a1, a2.
"""

from hadeda.kernel.assembly import Assembly

LIMBS = 8
A = ("t0", "t1", "t2", "t3", "t4", "t5", "t6", "s0")  # the first operand
T = ("s1", "s2", "s3", "s4", "s5", "s6", "s7", "ra", "a3", "a4")  # what grows into the result, and its overflow
LOW, HIGH, CARRY, BIT = "a5", "a6", "a7", "a0"
B_LIMB, B_ADDRESS = "a1", "a2"
DESTINATION = 0  # where it is put aside, from sp


def product(code: Assembly) -> None:
    """[a0] = [a1] * [a2] / 2^256 mod p"""
    code.load("sw", "a0", DESTINATION, "sp")
    for limb in range(LIMBS):
        code.load("lw", A[limb], 4 * limb, "a1")
    t = T
    for row in range(LIMBS):
        code.load("lw", B_LIMB, 4 * row, B_ADDRESS)
        _first_row(code, t) if row == 0 else _row(code, t)
        _clear_limb(code, t)
        t = (*t[1:], t[0])
    code.load("lw", "a0", DESTINATION, "sp")
    reduce_once(code, t[:LIMBS], t[LIMBS], A)


def _first_row(code: Assembly, t: tuple[str, ...]) -> None:
    """t = A * b"""
    code.put("mul", t[0], A[0], B_LIMB)
    code.put("mulhu", t[1], A[0], B_LIMB)
    for limb in range(1, LIMBS):
        code.put("mul", LOW, A[limb], B_LIMB)
        code.put("mulhu", t[limb + 1], A[limb], B_LIMB)
        code.put("add", t[limb], t[limb], LOW)
        code.put("sltu", BIT, t[limb], LOW)
        code.put("add", t[limb + 1], t[limb + 1], BIT)
    code.copy(t[LIMBS + 1], "zero")


def _row(code: Assembly, t: tuple[str, ...]) -> None:
    """t += A * b"""
    code.put("mul", LOW, A[0], B_LIMB)
    code.put("mulhu", CARRY, A[0], B_LIMB)
    code.put("add", t[0], t[0], LOW)
    code.put("sltu", BIT, t[0], LOW)
    code.put("add", CARRY, CARRY, BIT)
    for limb in range(1, LIMBS):
        code.put("mul", LOW, A[limb], B_LIMB)
        code.put("mulhu", HIGH, A[limb], B_LIMB)
        code.put("add", LOW, LOW, CARRY)
        code.put("sltu", BIT, LOW, CARRY)
        code.put("add", HIGH, HIGH, BIT)
        code.put("add", t[limb], t[limb], LOW)
        code.put("sltu", BIT, t[limb], LOW)
        code.put("add", CARRY, HIGH, BIT)
    code.put("add", t[LIMBS], t[LIMBS], CARRY)
    code.put("sltu", t[LIMBS + 1], t[LIMBS], CARRY)


def _clear_limb(code: Assembly, t: tuple[str, ...]) -> None:
    """t += t[0] * p, after which t[0] counts as zero: + m * (2^96 + 2^192 + 2^224 * (2^32 - 1)) above it."""
    m = t[0]
    code.put("add", t[3], t[3], m)
    code.put("sltu", CARRY, t[3], m)
    for limb in (4, 5, 6):
        code.put("add", t[limb], t[limb], CARRY)
        code.put("sltu", CARRY, t[limb], CARRY)
    _add_limb(code, t[6], m, CARRY)
    code.put("add", t[7], t[7], CARRY)
    code.put("sltu", CARRY, t[7], CARRY)
    code.put("sub", LOW, "zero", m)
    code.put("sltu", HIGH, "zero", m)
    code.put("sub", HIGH, m, HIGH)
    _add_limb(code, t[7], LOW, CARRY)
    code.put("add", t[8], t[8], CARRY)
    code.put("sltu", CARRY, t[8], CARRY)
    _add_limb(code, t[8], HIGH, CARRY)
    code.put("add", t[9], t[9], CARRY)


def _add_limb(code: Assembly, limb: str, more: str, carry: str) -> None:
    """limb += more; a carry out is added to `carry`, which is then 0 or 1: two of them never come together."""
    code.put("add", limb, limb, more)
    code.put("sltu", BIT, limb, more)
    code.put("add", carry, carry, BIT)


def reduce_once(code: Assembly, low: tuple[str, ...], top: str, difference: tuple[str, ...]) -> None:
    """[a0] = low + top * 2^256 - p, or the same without - p where that would be negative; uses a5, a6 and a7.

    To subtract p is to add 2^256 - p = 2^224 - 2^192 - 2^96 + 1 and to drop the carry out of the last limb.
    """
    d = difference
    carry, bit = "a7", "a5"
    code.put("addi", d[0], low[0], 1)
    code.put("sltiu", carry, d[0], 1)
    for limb in range(1, LIMBS):
        if limb in (3, 4, 5):  # + 2^32 - 1: a carry unless both are 0
            code.put("or_", bit, low[limb], carry)
            code.put("add", d[limb], low[limb], carry)
            code.put("addi", d[limb], d[limb], -1)
            code.put("sltu", carry, "zero", bit)
            continue
        code.put("add", d[limb], low[limb], carry)
        code.put("sltu", carry, d[limb], carry)
        if limb == 6:  # + 2^32 - 2: a carry unless that leaves a negative number
            code.put("sltiu", bit, d[limb], 2)
            code.put("xori", bit, bit, 1)
            code.put("or_", carry, carry, bit)
            code.put("addi", d[limb], d[limb], -2)
    code.put("or_", carry, carry, top)
    code.put("sub", carry, "zero", carry)
    for limb in range(LIMBS):
        code.put("xor", d[limb], d[limb], low[limb])
        code.put("and_", d[limb], d[limb], carry)
        code.put("xor", d[limb], d[limb], low[limb])
        code.load("sw", d[limb], 4 * limb, "a0")


def total(code: Assembly) -> None:
    """[a0] = [a1] + [a2] mod p"""
    low, carry, bit, limb_b = T[:LIMBS], "a7", "a5", "a6"
    for limb in range(LIMBS):
        code.load("lw", low[limb], 4 * limb, "a1")
        code.load("lw", limb_b, 4 * limb, "a2")
        code.put("add", low[limb], low[limb], limb_b)
        code.put("sltu", bit if limb else carry, low[limb], limb_b)
        if limb:
            code.put("add", low[limb], low[limb], carry)
            code.put("sltu", carry, low[limb], carry)
            code.put("or_", carry, carry, bit)
    code.copy("a3", carry)
    reduce_once(code, low, "a3", A)


def difference(code: Assembly) -> None:
    """[a0] = [a1] - [a2] mod p"""
    low, borrow, bit, limb_b = T[:LIMBS], "a7", "a5", "a6"
    for limb in range(LIMBS):
        code.load("lw", A[limb], 4 * limb, "a1")
        code.load("lw", limb_b, 4 * limb, "a2")
        code.put("sltu", bit if limb else borrow, A[limb], limb_b)
        code.put("sub", low[limb], A[limb], limb_b)
        if limb:
            code.put("sltu", limb_b, low[limb], borrow)
            code.put("sub", low[limb], low[limb], borrow)
            code.put("or_", borrow, bit, limb_b)
    _add_p(code, low, borrow)
    for limb in range(LIMBS):
        code.load("sw", low[limb], 4 * limb, "a0")


def _add_p(code: Assembly, low: tuple[str, ...], flag: str) -> None:
    """low += flag * p, modulo 2^256: + flag * (2^192 + 2^96 - 1 - 2^224); `flag` is in a7, a5 and a6 are used."""
    bit, carry = "a5", "a6"
    code.put("sltu", bit, low[0], flag)
    code.put("sub", low[0], low[0], flag)
    for limb in (1, 2):
        code.put("sltu", carry, low[limb], bit)
        code.put("sub", low[limb], low[limb], bit)
        code.copy(bit, carry)
    code.put("sub", carry, flag, bit)  # + 2^96 and the borrow
    for limb in (3, 4, 5):
        code.put("add", low[limb], low[limb], carry)
        code.put("sltu", carry, low[limb], carry)
    code.put("add", carry, carry, flag)
    code.put("add", low[6], low[6], carry)
    code.put("sltu", carry, low[6], carry)
    code.put("sub", carry, carry, flag)
    code.put("add", low[7], low[7], carry)
