"""The kernel's operations against Python's integers, on edges and at random; the machine code is what is shipped."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from simulated import Simulated

from hadeda.kernel import machine, programs
from hadeda.kernel.machine import CODES

P, N, R = programs.P, programs.N, programs.R
A, B, D = 60, 61, 62  # registers
FIELD_EDGES = (0, 1, 2, P - 1, P - 2, 2**224, 2**96 - 1, 2**96, 2**192, 2**255, P >> 1, R - P, 2**32 - 1)
ORDER_EDGES = (0, 1, 2, N - 1, N - 2, N >> 1, 2**224, R - N, 2**32 - 1)


def _numbers(edges: tuple[int, ...], below: int) -> list[int]:
    dice = random.Random(1)
    return [*edges, *(dice.randrange(below) for _ in range(12))]


def _execute(simulated: Simulated, words: Iterable[tuple[str, int, int, int]], values: dict[int, int]) -> int:
    """The register D after these words."""
    registers = bytearray(32 * programs.REGISTERS)
    for number, value in [*enumerate(programs.CONSTANTS), *values.items()]:
        registers[32 * number : 32 * number + 32] = value.to_bytes(32, "little")
    program = b"".join(bytes((CODES[name], d, a, b)) for name, d, a, b in [*words, (machine.END, 0, 0, 0)])
    assert simulated.run(registers, program, 0, b"", b"", bytearray()) == 1  # a small integer: 0
    return int.from_bytes(registers[32 * D : 32 * D + 32], "little")


@pytest.mark.parametrize(
    ("operation", "modulus", "edges", "expected"),
    [
        (machine.MULTIPLY, P, FIELD_EDGES, lambda a, b: a * b * pow(R, -1, P) % P),
        (machine.ADD, P, FIELD_EDGES, lambda a, b: (a + b) % P),
        (machine.SUBTRACT, P, FIELD_EDGES, lambda a, b: (a - b) % P),
        (machine.MULTIPLY_ORDER, N, ORDER_EDGES, lambda a, b: a * b * pow(R, -1, N) % N),
        (machine.SUBTRACT_ORDER, N, ORDER_EDGES, lambda a, b: (a - b) % N),
    ],
)
def test_every_operation_is_right_and_takes_one_number_of_instructions(
    simulated: Simulated, operation: str, modulus: int, edges: tuple[int, ...], expected: object
) -> None:
    counts = set()
    for a in _numbers(edges, modulus):
        for b in _numbers(edges, modulus):
            before = simulated.core.executed
            assert _execute(simulated, [(operation, D, A, B)], {A: a, B: b}) == expected(a, b), (hex(a), hex(b))  # type: ignore[operator]
            counts.add(simulated.core.executed - before)
    assert len(counts) == 1


def test_a_hash_above_the_order_is_multiplied_right(simulated: Simulated) -> None:
    for a in (R - 1, N, N + 1):
        for b in (1, N - 1):
            expected = a * b * pow(R, -1, N) % N
            assert _execute(simulated, [(machine.MULTIPLY_ORDER, D, A, B)], {A: a, B: b}) == expected


def test_the_result_may_lie_where_an_operand_was(simulated: Simulated) -> None:
    for operation in (machine.MULTIPLY, machine.ADD, machine.SUBTRACT, machine.MULTIPLY_ORDER, machine.SUBTRACT_ORDER):
        plain = _execute(simulated, [(operation, D, A, B)], {A: 12345, B: 678})
        assert _execute(simulated, [(operation, D, D, B)], {D: 12345, B: 678}) == plain
        assert _execute(simulated, [(operation, D, A, D)], {A: 12345, D: 678}) == plain


@pytest.mark.parametrize(
    ("modulus", "register", "edges"), [(P, programs.FIELD, FIELD_EDGES), (N, programs.ORDER, ORDER_EDGES)]
)
def test_inverses_are_right_and_take_one_number_of_instructions(
    simulated: Simulated, modulus: int, register: int, edges: tuple[int, ...]
) -> None:
    counts = set()
    for a in _numbers(edges, modulus):
        before = simulated.core.executed
        found = _execute(simulated, [(machine.INVERT, D, A, register)], {A: a})
        assert found == (pow(a, -1, modulus) if a else 0), hex(a)
        counts.add(simulated.core.executed - before)
    assert len(counts) == 1
