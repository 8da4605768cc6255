"""What ecdsa asks for, by the RISC-V kernel: the four functions of p256_portable.

The kernel knows two combs: the generator's of four tables, and any point's of two. No branch and no address in it
depends on a key, a nonce or a coordinate (docs/ecdsa.md). Bytecode hands it bytes, and looks at what has to be equal.
It wants two pieces of heap of 4 KB; where there are none, big integers do it.
"""

from micropython import const

from envelope import p256, p256_comb, p256_portable
from envelope import p256_rv32 as kernel
from envelope.errors import FaultDetected
from envelope.p256_table import GENERATOR

_SCALAR_BITS = const(280)
_SIZE = const(32)
_TABLE_SIZE = const(4096)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ports.table import Table

    Comb = tuple[Table, ...]
    Room = tuple[bytearray, bytearray]


def multiply(terms: "tuple[tuple[int, Comb], ...]") -> tuple[int, int, int, int]:
    """The sum for the generator, and for a key's comb behind it, affine."""
    both = len(terms) > 1
    room = _room(1, kernel.REGISTERS_BOTH if both else kernel.REGISTERS)
    if room is None:
        return p256_portable.multiply(terms)
    _pick(room, terms[0][0], GENERATOR, kernel.PICK_GENERATOR)
    _execute(room, kernel.SUMS)
    if both:
        _pick(room, terms[1][0], terms[1][1], kernel.PICK_KEY)
        _execute(room, kernel.BOTH)
        _execute(room, kernel.AFFINE)
    else:
        _execute(room, kernel.GENERATOR)
    x, y = _number(room, kernel.X), _number(room, kernel.Y)
    if not x and not y:
        return p256.INFINITY
    _check(room)
    return x, y, 1, 1


def inverse(a: int) -> int:
    """1/a modulo n."""
    room = _room(1, kernel.REGISTERS_INVERSE, 0)
    if room is None:
        return p256_portable.inverse(a)
    room[0][kernel.X : kernel.X + _SIZE] = a.to_bytes(_SIZE, "little")
    _execute(room, kernel.INVERSE)
    return _number(room, kernel.X)


def times_generator(k: int, stretch: int, blind: int) -> tuple[int, int]:
    """k * G."""
    room = _room(stretch, kernel.REGISTERS)
    if room is None:
        return p256_portable.times_generator(k, stretch, blind)
    x = _times_generator(room, k, blind)
    return x, _number(room, kernel.Y)


def signature(k: int, d: int, z: int, factor: int, stretch: int, blind: int) -> tuple[int, int]:
    """(r, s)."""
    room = _room(stretch, kernel.REGISTERS)
    if room is None:
        return p256_portable.signature(k, d, z, factor, stretch, blind)
    x = _times_generator(room, k, blind)
    inputs = b"".join([number.to_bytes(_SIZE, "little") for number in (k, d, z, factor)])
    room[0][kernel.SIGNATURE_INPUTS : kernel.SIGNATURE_INPUTS + len(inputs)] = inputs
    _execute(room, kernel.SIGNATURE)
    _check(room)
    r, s = _number(room, kernel.SIGNATURE_R), _number(room, kernel.SIGNATURE_S)
    if x not in (r, r + p256.N):
        raise FaultDetected("r is not x mod n")
    return r, s


def works() -> bool:
    """Whether the kernel finds 2 * G + (n - 1) * G to be G, by both combs and under blinds, and a signature right."""
    key = GENERATOR[0], GENERATOR[2]  # twenty bits apart: the generator's comb of two tables
    terms = (p256_comb.blinded(2, 0x5A5A5A), GENERATOR), (p256_comb.blinded(p256.N - 1, 0x3C3C3C), key)
    try:
        # With nonce 1, key 1 and hash 1 r is the generator's x, and s one more
        r, s = signature(1, 1, 1, 5, 3, 0x696969)
        point = multiply(terms)
    except FaultDetected:
        return False
    return point[:2] == p256.G and r == p256.G[0] and s == r + 1 and inverse(2) * 2 % p256.N == 1


def _times_generator(room: "Room", k: int, blind: int) -> int:
    """Leave k * G in the registers; returns its x."""
    scalar = p256_comb.blinded(k, blind)
    _pick(room, scalar, GENERATOR, kernel.PICK_GENERATOR)
    _execute(room, kernel.SUMS)
    _execute(room, kernel.GENERATOR)
    _check(room)
    times_n = scalar - k
    if times_n and ((times_n >> 256) + 1) * p256.N != times_n:
        raise FaultDetected("the scalar is not k")
    return _number(room, kernel.X)


def _pick(room: "Room", scalar: int, comb: "Comb", starts: bytes) -> None:
    """Leave the points to add in the registers; FaultDetected when other digits were used."""
    signs = (scalar + (1 << _SCALAR_BITS) - 1 >> 1).to_bytes(_SCALAR_BITS >> 3, "little")
    used = bytearray(_SCALAR_BITS >> 3)
    for number, start in enumerate(starts):
        comb[number].read(0, room[1])
        _execute(room, start, signs, used)
    if used != signs:
        raise FaultDetected("the digits used are not those of the scalar")


def _room(stretch: int, size: int, table_size: int = _TABLE_SIZE) -> "Room | None":
    """The kernel's registers, their constants in place, and room for a table; None where the heap has none."""
    try:
        registers, table = bytearray(_SIZE * size), bytearray(table_size)
    except MemoryError:
        return None
    registers[: len(kernel.CONSTANTS)] = kernel.CONSTANTS
    registers[kernel.STRETCH : kernel.STRETCH + _SIZE] = stretch.to_bytes(_SIZE, "little")
    return registers, table


def _number(room: "Room", at: int) -> int:
    return int.from_bytes(room[0][at : at + _SIZE], "little")


def _check(room: "Room") -> None:
    if _number(room, kernel.CHECK):
        raise FaultDetected("the point is not on the curve, or s does not satisfy its equation")


def _execute(room: "Room", start: int, signs: bytes = b"", used: "Any" = b"") -> None:
    kernel.run(room[0], kernel.PROGRAM, start, room[1], signs, used)
