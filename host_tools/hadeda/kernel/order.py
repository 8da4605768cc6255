"""Product and difference modulo the curve's order, or any odd modulus: Montgomery's too, in loops.

A signature needs a dozen of these, so that short code is worth more than speed. The modulus lies in a register of
its own; behind it lie its inverse modulo 2^30 (for inverse.py) and minus its inverse modulo 2^32. No branch depends on
anything but counts.
"""

from hadeda.kernel.assembly import Assembly
from hadeda.kernel.field import DESTINATION, LIMBS

T = 100  # nine limbs on the stack, from sp
MODULUS_BYTES = 4 * LIMBS


def product(code: Assembly, base: str, modulus: int) -> None:
    """[a0] = [a1] * [a2] / 2^256 modulo the modulus, `modulus` bytes behind `base`; one factor is below it."""
    code.load("sw", "a0", DESTINATION, "sp")
    code.put("addi", "a3", base, modulus)
    code.load("lw", "a4", MODULUS_BYTES + 4, "a3")
    for limb in range(LIMBS + 1):
        code.load("sw", "zero", T + 4 * limb, "sp")
    code.put("addi", "s0", "a2", 4 * LIMBS)
    code.label("order_row")
    _row(code)
    code.put("addi", "a2", "a2", 4)
    code.put("bne", "a2", "s0", "order_row")
    code.load("lw", "a0", DESTINATION, "sp")
    code.load("lw", "a4", T + 4 * LIMBS, "sp")
    code.put("addi", "a1", "sp", T)
    code.copy("a2", "a3")
    _subtract(code, "order_product", "a4")


def _row(code: Assembly) -> None:
    """T = (T + [a1] * b + m * modulus) / 2^32, where b is [a2]'s limb and m makes the lowest limb 0."""
    limb_b, m, carry_b, carry_m = "a5", "a6", "t0", "t1"
    code.load("lw", limb_b, 0, "a2")
    code.load("lw", "t2", 0, "a1")
    code.load("lw", "t3", T, "sp")
    code.put("mul", "t4", "t2", limb_b)
    code.put("mulhu", carry_b, "t2", limb_b)
    _add(code, "t4", "t3", carry_b)
    code.put("mul", m, "t4", "a4")
    code.load("lw", "t2", 0, "a3")
    code.put("mul", "t3", "t2", m)
    code.put("mulhu", carry_m, "t2", m)
    _add(code, "t4", "t3", carry_m)
    code.put("addi", "s1", "a1", 4)
    code.put("addi", "s2", "a3", 4)
    code.put("addi", "s3", "sp", T)
    code.put("addi", "s4", "a3", 4 * LIMBS)
    code.label("order_limb")
    code.load("lw", "t2", 0, "s1")
    code.load("lw", "t4", 4, "s3")
    _multiply_add(code, "t2", limb_b, "t4", carry_b)
    code.load("lw", "t2", 0, "s2")
    _multiply_add(code, "t2", m, "t4", carry_m)
    code.load("sw", "t4", 0, "s3")
    for pointer in ("s1", "s2", "s3"):
        code.put("addi", pointer, pointer, 4)
    code.put("bne", "s2", "s4", "order_limb")
    code.load("lw", "t4", 4, "s3")
    code.copy("t2", "zero")
    _add(code, "t4", carry_b, "t2")
    _add(code, "t4", carry_m, "t2")
    code.load("sw", "t4", 0, "s3")
    code.load("sw", "t2", 4, "s3")


def _multiply_add(code: Assembly, a: str, b: str, low: str, carry: str) -> None:
    """(carry, low) = a * b + low + carry; uses t3, t5 and t6."""
    code.put("mul", "t5", a, b)
    code.put("mulhu", "t6", a, b)
    _add(code, low, carry, "t6")
    _add(code, low, "t5", "t6")
    code.copy(carry, "t6")


def _add(code: Assembly, low: str, more: str, carry: str) -> None:
    """low += more, its carry out added to `carry`; uses t3, which may be `more`."""
    code.put("add", low, low, more)
    code.put("sltu", "t3", low, more)
    code.put("add", carry, carry, "t3")


def difference(code: Assembly, base: str, modulus: int) -> None:
    """[a0] = [a1] - [a2] modulo the modulus; both are below it."""
    code.put("addi", "a3", base, modulus)
    code.copy("a4", "zero")
    _subtract(code, "order_difference", "a4")


def _subtract(code: Assembly, name: str, top: str) -> None:
    """[a0] = top * 2^256 + [a1] - [a2], and + [a3], the modulus, where that is negative."""
    borrow = "t0"
    code.copy(borrow, "zero")
    code.put("addi", "s0", "a0", 4 * LIMBS)
    code.label(name)
    code.load("lw", "t1", 0, "a1")
    code.load("lw", "t2", 0, "a2")
    code.put("sltu", "t3", "t1", "t2")
    code.put("sub", "t1", "t1", "t2")
    code.put("sltu", "t4", "t1", borrow)
    code.put("sub", "t1", "t1", borrow)
    code.put("or_", borrow, "t3", "t4")
    code.load("sw", "t1", 0, "a0")
    for pointer in ("a0", "a1", "a2"):
        code.put("addi", pointer, pointer, 4)
    code.put("bne", "a0", "s0", name)
    code.put("sltu", "t5", top, borrow)
    code.put("sub", "t5", "zero", "t5")
    code.put("addi", "a0", "a0", -4 * LIMBS)
    code.copy("t0", "zero")
    code.label(f"{name}_back")
    code.load("lw", "t1", 0, "a0")
    code.load("lw", "t2", 0, "a3")
    code.put("and_", "t2", "t2", "t5")
    code.put("add", "t1", "t1", "t0")
    code.put("sltu", "t0", "t1", "t0")
    _add(code, "t1", "t2", "t0")
    code.load("sw", "t1", 0, "a0")
    code.put("addi", "a0", "a0", 4)
    code.put("addi", "a3", "a3", 4)
    code.put("bne", "a0", "s0", f"{name}_back")
