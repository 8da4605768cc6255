"""Point formulas and scalar multiplication as the kernel executes them: no exceptions, none forgotten."""

from __future__ import annotations

import random
from itertools import product
from types import ModuleType

import pytest
from simulated import Simulated

from envelope import p256, p256_comb
from hadeda.kernel import machine, programs
from hadeda.kernel.machine import CODES
from hadeda.paths import FIRMWARE
from hadeda.provision.comb import tables

P, R = programs.P, programs.R
Point = tuple[int, int] | None


def _sum(a: Point, b: Point) -> Point:
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    over, under = (3 * (a[0] ** 2 - 1), 2 * a[1]) if a == b else (b[1] - a[1], b[0] - a[0])
    slope = over * pow(under, -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def _times(k: int, point: Point) -> Point:
    result: Point = None
    for bit in f"{k:b}":
        result = _sum(result, result)
        if bit == "1":
            result = _sum(result, point)
    return result


def _projective(point: Point, z: int) -> tuple[int, int, int]:
    """Montgomery's form of (x * z : y * z : z); (0 : z : 0) at infinity."""
    x, y, one = (*point, 1) if point else (0, 1, 0)
    return x * z * R % P, y * z * R % P, one * z * R % P


def _call(simulated: Simulated, part: str, first: tuple[int, int, int], second: tuple[int, int, int]) -> Point:
    program = programs.assemble()
    start = program.length
    program.call(part)
    program.put(machine.END)
    values = dict(zip((programs.X, programs.Y, programs.Z), first, strict=True))
    values |= dict(zip((programs.X2, programs.Y2, programs.Z2), second, strict=True))
    registers = bytearray(32 * programs.REGISTERS)
    for number, value in [*enumerate(programs.CONSTANTS), *values.items()]:
        registers[32 * number : 32 * number + 32] = value.to_bytes(32, "little")
    simulated.run(registers, program.data(), start, b"", b"", bytearray())
    x, y, z = (
        int.from_bytes(registers[32 * at : 32 * at + 32], "little") * pow(R, -1, P) % P
        for at in (programs.X, programs.Y, programs.Z)
    )
    if not z:
        assert x == 0, "not the point at infinity"
        assert y != 0, "no point at all"
        return None
    return x * pow(z, -1, P) % P, y * pow(z, -1, P) % P


def test_additions_and_doublings_have_no_exception(simulated: Simulated) -> None:
    points = [None, p256.G, (p256.G[0], P - p256.G[1]), _times(2, p256.G), _times(12345, p256.G)]
    for a, b in product(points, points):
        assert _call(simulated, "ADD", _projective(a, 7), _projective(b, 9)) == _sum(a, b)
    for a in points:
        assert _call(simulated, "DOUBLE", _projective(a, 5), (0, 0, 0)) == _sum(a, a)


def test_what_is_added_in_affine_coordinates_never_is_equal_or_opposite() -> None:
    """All pairs of points of tables 0 and 1, of 2 and 3, and all pairs of their sums have different x.

    So have those of tables 0 and 2, which are a comb of two tables as keys have it. All are multiples of a point of
    order n that depend on the digits alone, so that the same holds for every point.
    """
    data = (FIRMWARE / "envelope/p256_table.bin").read_bytes()
    number = [int.from_bytes(data[at : at + 32], "big") for at in range(0, len(data), 32)]
    entries = list(zip(number[::2], number[1::2], strict=True))
    four = [entries[at : at + 64] for at in range(0, 256, 64)]
    assert not {x for x, _ in four[0]} & {x for x, _ in four[2]}
    sums = [_sums_x(*four[:2]), _sums_x(*four[2:])]
    # A sum of two entries has 64 * 64 * 2 values, but for its sign, which x does not show
    assert len(sums[0] | sums[1]) == len(sums[0]) + len(sums[1]) == 2 * 64 * 64 * 2


def _sums_x(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> set[int]:
    """The x of all sums a + b and a - b; an equal or opposite pair would divide by zero."""
    pairs = [(a, (x, y * sign % P)) for a in first for x, y in second for sign in (1, -1)]
    assert not {x for x, _ in first} & {x for x, _ in second}
    products = [1]
    for (x1, _), (x2, _) in pairs:
        products.append(products[-1] * (x2 - x1) % P)
    inverse = pow(products.pop(), -1, P)
    found = set()
    for (x1, y1), (x2, y2) in reversed(pairs):
        slope = inverse * products.pop() * (y2 - y1) % P
        inverse = inverse * (x2 - x1) % P
        found.add((slope * slope - x1 - x2) % P)
    return found


@pytest.mark.parametrize("scalar", [1, 2, 3, p256.N - 1, p256.N - 2, p256.N >> 1, 0x5A5A << 240])
def test_multiples_of_the_generator(engine: object, scalar: int) -> None:
    dice = random.Random(scalar)
    expected = _times(scalar, p256.G)
    found = engine.times_generator(scalar, dice.randrange(1, P), dice.getrandbits(24))  # type: ignore[attr-defined]
    assert found == expected


def test_programs_fit_their_registers() -> None:
    program = programs.assemble()
    assert programs.POINTS + programs.SLOT * programs.PAIRS <= programs.REGISTERS
    assert programs.KEY_POINTS + programs.SLOT * programs.KEY_COLUMNS <= programs.REGISTERS_BOTH < 256
    for at in range(0, len(program.data()), 4):
        operation, d, a, b = program.data()[at : at + 4]
        if operation in (CODES[machine.MULTIPLY], CODES[machine.ADD], CODES[machine.SUBTRACT]):
            assert max(d, a, b) < programs.REGISTERS_BOTH
            assert d >= programs.X, "a constant is overwritten"


@pytest.mark.parametrize(("u1", "u2"), [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (2, p256.N - 1), (p256.N - 2, 1)])
def test_sums_with_a_keys_comb_and_their_exceptional_cases(engine: object, u1: int, u2: int) -> None:
    """Twice the generator is the key: every case in which sums meet points that are equal or opposite."""
    key = _times(2, p256.G)
    assert key is not None
    comb = tuple(_Table(table) for table in tables(*key, 2))
    scalars = [p256_comb.blinded(u, 0) for u in (u1, u2)]
    x, y, zz, _ = engine.multiply(((scalars[0], engine.GENERATOR), (scalars[1], comb)))  # type: ignore[attr-defined]
    expected = _times((u1 + 2 * u2) % p256.N or p256.N, p256.G)
    assert (None if not zz else (x, y)) == expected


class _Table:
    """A table in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, start: int, target: bytearray) -> None:
        target[:] = self._data[start : start + len(target)]


def test_without_room_big_integers_sign(engine: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = (0x1234567 << 200, 5, 7, 9, 11, 13)
    good = engine.signature(*arguments)
    monkeypatch.setattr(engine, "_room", lambda *_arguments: None)
    monkeypatch.setattr(engine.kernel, "run", None)
    assert engine.signature(*arguments) == good
    assert engine.times_generator(5, 11, 13) == _times(5, p256.G)
    assert engine.inverse(2) * 2 % p256.N == 1
