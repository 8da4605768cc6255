"""Scalar multiplication and inverses by the RISC-V kernel: the same three functions that big integers have.

The kernel knows two combs: the generator's of four tables, and any point's of one. No branch and no address in it
depends on a scalar or a coordinate (docs/ecdsa.md); bytecode only hands it bytes.
"""

from micropython import const

from envelope import p256, p256_comb
from envelope import p256_rv32 as kernel
from envelope.errors import FaultDetected
from envelope.p256_table import GENERATOR

_SCALAR_BITS = const(280)
_SIZE = const(32)
_TABLE_SIZE = const(4096)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envelope.p256_comb import Comb


def multiply(terms: "tuple[tuple[int, Comb], ...]", stretch: int = 1) -> tuple[int, int, int, int]:
    """What p256_comb.multiply returns, but affine: for the generator, or for the generator and a key's comb.

    FaultDetected when the digits used are not those of the scalars.
    """
    registers = _registers(kernel.STRETCH_AT, stretch)
    for scalar, comb in reversed(terms):
        _sum(registers, scalar, comb)
    _execute(registers, kernel.BOTH if len(terms) > 1 else kernel.AFFINE)
    x, y = _number(registers, kernel.X_AT), _number(registers, kernel.Y_AT)
    return (x, y, 1, 1) if x or y else p256.INFINITY


def affine(point: tuple[int, int, int, int]) -> tuple[int, int]:
    """(x, y) of a finite point that `multiply` returned."""
    return point[0], point[1]


def inverse(a: int, modulus: int) -> int:
    """1/a modulo n, 0 for 0; modulo anything else p256.inverse's."""
    if modulus != p256.N:
        return p256.inverse(a, modulus)
    registers = _registers(kernel.X_AT, a % modulus)
    _execute(registers, kernel.INVERSE)
    return _number(registers, kernel.X_AT)


def works() -> bool:
    """Whether the kernel finds 2 * G + (n - 1) * G to be G, by both combs and under blinds, and that 2 / 2 is 1."""
    key = bytearray(_TABLE_SIZE)
    GENERATOR[0].copy_to(key)  # the generator's first table is its comb of one table
    terms = (
        (p256_comb.blinded(2, 0x5A5A5A), GENERATOR),
        (p256_comb.blinded(p256.N - 1, 0x3C3C3C), (key,)),
    )
    try:
        return multiply(terms, 3)[:2] == p256.G and inverse(2, p256.N) * 2 % p256.N == 1
    except FaultDetected:
        return False


def _sum(registers: bytearray, scalar: int, comb: "Comb") -> None:
    """Leave scalar * the comb's point in the registers; FaultDetected when other digits were used."""
    signs = (scalar + (1 << _SCALAR_BITS) - 1 >> 1).to_bytes(_SCALAR_BITS >> 3, "little")
    used = bytearray(_SCALAR_BITS >> 3)
    if comb is GENERATOR:
        table = bytearray(_TABLE_SIZE)
        for number, start in enumerate(kernel.PICK_GENERATOR):
            GENERATOR[number].copy_to(table)
            _execute(registers, start, table, signs, used)
        _execute(registers, kernel.GENERATOR)
    else:
        _execute(registers, kernel.PICK_KEY, comb[0], signs, used)
        _execute(registers, kernel.KEY)
    if used != signs:
        raise FaultDetected("the digits used are not those of the scalar")


def _registers(at: int, number: int) -> bytearray:
    """The kernel's registers, its constants in place and one number."""
    registers = bytearray(_SIZE * kernel.REGISTERS)
    registers[: len(kernel.CONSTANTS)] = kernel.CONSTANTS
    registers[at : at + _SIZE] = number.to_bytes(_SIZE, "little")
    return registers


def _execute(
    registers: bytearray, start: int, table: "bytes | bytearray" = b"", signs: bytes = b"", used: "bytes | bytearray" = b""
) -> None:
    kernel.run(registers, kernel.PROGRAM, start, table, signs, used)


def _number(registers: bytearray, at: int) -> int:
    return int.from_bytes(registers[at : at + _SIZE], "little")
