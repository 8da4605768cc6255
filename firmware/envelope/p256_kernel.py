"""What ecdsa asks for, by the RISC-V kernel: the four functions of p256_portable.py.

The kernel knows two combs: the generator's of four tables, and any point's of one. No branch and no address in it
depends on a key, a nonce or a coordinate (docs/ecdsa.md). Bytecode hands it bytes, and looks at what has to be equal.
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
    from typing import Any

    from envelope.p256_comb import Comb


def multiply(terms: "tuple[tuple[int, Comb], ...]") -> tuple[int, int, int, int]:
    """The sum for the generator, and for a key's comb behind it, affine."""
    registers = _registers(1)
    for scalar, comb in terms:
        _pick(registers, scalar, comb)
    if len(terms) > 1:
        _execute(registers, kernel.BOTH)
        _execute(registers, kernel.AFFINE)
    else:
        _execute(registers, kernel.GENERATOR)
    x, y = _number(registers, kernel.X), _number(registers, kernel.Y)
    if not x and not y:
        return p256.INFINITY
    _check(registers)
    return x, y, 1, 1


def inverse(a: int) -> int:
    """1/a modulo n."""
    registers = _registers(1)
    _put(registers, kernel.X, a)
    _execute(registers, kernel.INVERSE)
    return _number(registers, kernel.X)


def times_generator(k: int, stretch: int, blind: int) -> tuple[int, int]:
    """k * G."""
    registers = _registers(stretch)
    x = _times_generator(registers, k, blind)
    return x, _number(registers, kernel.Y)


def signature(k: int, d: int, z: int, factor: int, stretch: int, blind: int) -> tuple[int, int]:
    """(r, s)."""
    registers = _registers(stretch)
    x = _times_generator(registers, k, blind)
    inputs = b"".join([number.to_bytes(_SIZE, "little") for number in (k, d, z, factor)])
    registers[kernel.SIGNATURE_INPUTS : kernel.SIGNATURE_INPUTS + len(inputs)] = inputs
    _execute(registers, kernel.SIGNATURE)
    _check(registers)
    r, s = _number(registers, kernel.SIGNATURE_R), _number(registers, kernel.SIGNATURE_S)
    if x not in (r, r + p256.N):
        raise FaultDetected("r is not x mod n")
    return r, s


def works() -> bool:
    """Whether the kernel finds 2 * G + (n - 1) * G to be G, by both combs and under blinds, and a signature right."""
    key = bytearray(_TABLE_SIZE)
    GENERATOR[0].copy_to(key)  # the generator's first table is its comb of one table
    twice = p256_comb.blinded(2, 0x5A5A5A)
    less = p256_comb.blinded(p256.N - 1, 0x3C3C3C)
    try:
        # With nonce 1, key 1 and hash 1 r is the generator's x, and s one more
        r, s = signature(1, 1, 1, 5, 3, 0x696969)
        point = multiply(((twice, GENERATOR), (less, (key,))))
    except FaultDetected:
        return False
    return point[:2] == p256.G and r == p256.G[0] and s == r + 1 and inverse(2) * 2 % p256.N == 1


def _times_generator(registers: bytearray, k: int, blind: int) -> int:
    """Leave k * G in the registers; returns its x."""
    scalar = p256_comb.blinded(k, blind)
    _pick(registers, scalar, GENERATOR)
    _execute(registers, kernel.GENERATOR)
    _check(registers)
    times_n = scalar - k
    if times_n and ((times_n >> 256) + 1) * p256.N != times_n:
        raise FaultDetected("the scalar is not k")
    return _number(registers, kernel.X)


def _pick(registers: bytearray, scalar: int, comb: "Comb") -> None:
    """Leave the points to add in the registers, the generator's first; FaultDetected when other digits were used."""
    signs = (scalar + (1 << _SCALAR_BITS) - 1 >> 1).to_bytes(_SCALAR_BITS >> 3, "little")
    used = bytearray(_SCALAR_BITS >> 3)
    if comb is GENERATOR:
        table = bytearray(_TABLE_SIZE)
        for number, start in enumerate(kernel.PICK_GENERATOR):
            GENERATOR[number].copy_to(table)
            _execute(registers, start, table, signs, used)
        _execute(registers, kernel.SUMS)
    else:
        _execute(registers, kernel.PICK_KEY, comb[0], signs, used)
    if used != signs:
        raise FaultDetected("the digits used are not those of the scalar")


def _registers(stretch: int) -> bytearray:
    """The kernel's registers, its constants in place."""
    registers = bytearray(_SIZE * kernel.REGISTERS)
    registers[: len(kernel.CONSTANTS)] = kernel.CONSTANTS
    _put(registers, kernel.STRETCH, stretch)
    return registers


def _put(registers: bytearray, at: int, number: int) -> None:
    registers[at : at + _SIZE] = number.to_bytes(_SIZE, "little")


def _number(registers: bytearray, at: int) -> int:
    return int.from_bytes(registers[at : at + _SIZE], "little")


def _check(registers: bytearray) -> None:
    if _number(registers, kernel.CHECK):
        raise FaultDetected("the point is not on the curve, or s does not satisfy its equation")


def _execute(registers: bytearray, start: int, table: "Any" = b"", signs: bytes = b"", used: "Any" = b"") -> None:
    kernel.run(registers, kernel.PROGRAM, start, table, signs, used)
