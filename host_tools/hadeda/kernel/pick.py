"""The kernel's way to a comb's points: every entry of a table is read, and a mask keeps one of them.

The index is a secret, so it only ever makes masks, never an address. Digits of a scalar are read as p256_comb reads
them: bit 40 * tooth + column is set where that digit is +1. What was really used is put together again beside it, for
whoever called to compare.
"""

from hadeda.kernel.assembly import Assembly
from hadeda.kernel.field import LIMBS

TEETH = 7
TOOTH_BYTES = 5  # between the digits of two teeth: 40 bits
ENTRIES = 64
ENTRY_BYTES = 64
X = ("t0", "t1", "t2", "t3", "t4", "t5", "t6", "s0")
Y = ("s1", "s2", "s3", "s4", "s5", "s6", "s7", "ra")
POINT = (*X, *Y)
TARGET, COLUMN, LEFT, NEGATIVE = 84, 88, 92, 96  # places on the stack, from sp


def pick(code: Assembly, table: int, signs: int, used: int) -> None:
    """[a0] = (x, y) of a column's entry, for `count` columns upwards; the next word is count, stride, first column.

    `stride` is how many registers further each point goes. The others are places on the stack: pointers to the
    table, to the digits and to the place for those used.
    """
    code.load("lbu", "a3", 0, "s11")
    code.load("lbu", "a4", 2, "s11")
    code.load("sw", "a3", LEFT, "sp")
    code.load("sw", "a4", COLUMN, "sp")
    code.load("sw", "a0", TARGET, "sp")
    code.label("pick_column")
    _digits(code, signs)
    _note(code, used)
    _scan(code, table)
    _swap_bytes(code)
    _negate(code)
    _store(code)
    code.load("lw", "a4", LEFT, "sp")
    code.put("addi", "a4", "a4", -1)
    code.load("sw", "a4", LEFT, "sp")
    code.put("bne", "a4", "zero", "pick_column")


def _digits(code: Assembly, signs: int) -> None:
    """a0 = index of the entry, a1 = all ones where its negative is wanted; a3 = column's byte, a4 = its bit."""
    code.load("lw", "a2", signs, "sp")
    code.load("lw", "a4", COLUMN, "sp")
    code.put("srli", "a3", "a4", 3)
    code.put("andi", "a4", "a4", 7)
    code.put("add", "a2", "a2", "a3")
    code.copy("a0", "zero")
    for tooth in range(TEETH):
        code.load("lbu", "a5", TOOTH_BYTES * tooth, "a2")
        code.put("srl", "a5", "a5", "a4")
        code.put("andi", "a5", "a5", 1)
        code.put("slli", "a5", "a5", tooth)
        code.put("or_", "a0", "a0", "a5")
    code.put("srli", "a1", "a0", TEETH - 1)
    code.put("addi", "a1", "a1", -1)
    code.put("xor", "a0", "a0", "a1")
    code.put("andi", "a0", "a0", ENTRIES - 1)


def _note(code: Assembly, used: int) -> None:
    """Put the digits that index and sign stand for back where they were read."""
    code.load("lw", "a2", used, "sp")
    code.put("add", "a2", "a2", "a3")
    code.put("xor", "a5", "a0", "a1")
    code.put("andi", "a5", "a5", ENTRIES - 1)
    code.put("addi", "a6", "a1", 1)
    code.put("slli", "a6", "a6", TEETH - 1)
    code.put("or_", "a5", "a5", "a6")
    for tooth in range(TEETH):
        code.put("srli", "a6", "a5", tooth)
        code.put("andi", "a6", "a6", 1)
        code.put("sll", "a6", "a6", "a4")
        code.load("lbu", "a7", TOOTH_BYTES * tooth, "a2")
        code.put("or_", "a7", "a7", "a6")
        code.load("sb", "a7", TOOTH_BYTES * tooth, "a2")
    code.load("sw", "a1", NEGATIVE, "sp")


def _scan(code: Assembly, table: int) -> None:
    """POINT = the entry of index a0, as its words lie there; all are read."""
    code.load("lw", "a2", table, "sp")
    code.put("addi", "a3", "zero", 0)
    code.put("addi", "a4", "zero", ENTRIES)
    for limb in POINT:
        code.copy(limb, "zero")
    code.label("pick_entry")
    code.put("xor", "a5", "a3", "a0")
    code.put("sltiu", "a5", "a5", 1)
    code.put("sub", "a5", "zero", "a5")
    for word, limb in enumerate(POINT):
        code.load("lw", "a6", 4 * word, "a2")
        code.put("and_", "a6", "a6", "a5")
        code.put("or_", limb, limb, "a6")
    code.put("addi", "a2", "a2", ENTRY_BYTES)
    code.put("addi", "a3", "a3", 1)
    code.put("bne", "a3", "a4", "pick_entry")


def _swap_bytes(code: Assembly) -> None:
    """Turn every word of POINT around: the table is big endian."""
    code.constant("a3", 0x00FF00FF)
    for limb in POINT:
        code.put("srli", "a4", limb, 8)
        code.put("and_", "a4", "a4", "a3")
        code.put("and_", limb, limb, "a3")
        code.put("slli", limb, limb, 8)
        code.put("or_", limb, limb, "a4")
        code.put("srli", "a4", limb, 16)
        code.put("slli", limb, limb, 16)
        code.put("or_", limb, limb, "a4")


def _negate(code: Assembly) -> None:
    """y = p - y where NEGATIVE says so. No y of a table is 0: the curve has no point of order two."""
    code.load("lw", "a1", NEGATIVE, "sp")
    low = tuple(reversed(Y))
    code.copy("a4", "zero")  # the borrow
    for limb in range(LIMBS):
        if limb < 3 or limb == 7:
            code.put("addi", "a3", "zero", -1)  # what p has there
        else:
            code.put("addi", "a3", "zero", 1 if limb == 6 else 0)
        code.put("sltu", "a5", "a3", low[limb])
        code.put("sub", "a3", "a3", low[limb])
        code.put("sltu", "a6", "a3", "a4")
        code.put("sub", "a3", "a3", "a4")
        code.put("or_", "a4", "a5", "a6")
        code.put("xor", "a3", "a3", low[limb])
        code.put("and_", "a3", "a3", "a1")
        code.put("xor", low[limb], low[limb], "a3")


def _store(code: Assembly) -> None:
    """Put the point down, least limb first, and make ready for the next column."""
    code.load("lw", "a0", TARGET, "sp")
    for limb in range(LIMBS):
        code.load("sw", X[LIMBS - 1 - limb], 4 * limb, "a0")
        code.load("sw", Y[LIMBS - 1 - limb], 4 * (LIMBS + limb), "a0")
    code.load("lb", "a3", 1, "s11")
    code.put("slli", "a3", "a3", 5)
    code.put("add", "a0", "a0", "a3")
    code.load("sw", "a0", TARGET, "sp")
    code.load("lw", "a3", COLUMN, "sp")
    code.put("addi", "a3", "a3", 1)
    code.load("sw", "a3", COLUMN, "sp")
