"""A RISC-V core (RV32IM) in Python that tells where it was: addresses of instructions, loads and stores, in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

WORD = 0xFFFFFFFF
CODE_AT = 0x1000
RETURN_TO = 0xFFFFFFF0
MEMORY = 1 << 16


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


def _extend(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


_ALU: dict[tuple[int, int], Callable[[int, int], int]] = {
    (0, 0x00): lambda a, b: a + b,
    (0, 0x20): lambda a, b: a - b,
    (0, 0x01): lambda a, b: a * b,
    (1, 0x00): lambda a, b: a << (b & 31),
    (1, 0x01): lambda a, b: _signed(a) * _signed(b) >> 32,
    (2, 0x00): lambda a, b: int(_signed(a) < _signed(b)),
    (3, 0x00): lambda a, b: int(a < b),
    (3, 0x01): lambda a, b: a * b >> 32,
    (4, 0x00): lambda a, b: a ^ b,
    (5, 0x00): lambda a, b: a >> (b & 31),
    (5, 0x20): lambda a, b: _signed(a) >> (b & 31),
    (6, 0x00): lambda a, b: a | b,
    (7, 0x00): lambda a, b: a & b,
}
_BRANCHES: dict[int, Callable[[int, int], bool]] = {0: lambda a, b: a == b, 1: lambda a, b: a != b}


@dataclass
class Core:
    """One core with 64 KB of memory; the code lies at CODE_AT. An instruction that it does not know is an error."""

    code: bytes
    memory: bytearray = field(default_factory=lambda: bytearray(MEMORY))
    x: list[int] = field(default_factory=lambda: [0] * 32)
    executed: int = 0
    branches: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._decoded = [
            _decode(int.from_bytes(self.code[at : at + 4], "little")) for at in range(0, len(self.code) - 3, 4)
        ]

    def call(self, *arguments: int, trace: Callable[[int, int], None] | None = None) -> int:
        """Run from the start to the return. `trace` is told each instruction's address and the address it uses or 0."""
        x, memory = self.x, self.memory
        for register in range(1, 32):
            x[register] = 0x5A5A0000 + register
        x[1], x[2] = RETURN_TO, MEMORY - 16
        x[10 : 10 + len(arguments)] = arguments
        before = x[:]
        pc = CODE_AT
        while pc != RETURN_TO:
            kind, rd, rs1, rs2, immediate, function = self._decoded[pc - CODE_AT >> 2]
            self.executed += 1
            at, following = 0, pc + 4
            if kind == "alu":
                x[rd] = function(x[rs1], x[rs2]) & WORD
            elif kind == "alu_immediate":
                x[rd] = function(x[rs1], immediate & WORD) & WORD
            elif kind == "load":
                at = x[rs1] + immediate & WORD
                x[rd] = _load(memory, at, function)
            elif kind == "store":
                at = x[rs1] + immediate & WORD
                size = 1 << function
                memory[at : at + size] = (x[rs2] & (1 << 8 * size) - 1).to_bytes(size, "little")
            elif kind == "branch":
                self.branches.add(pc - CODE_AT)
                if function(x[rs1], x[rs2]):
                    following = pc + immediate
            elif kind == "jal":
                x[rd] = following
                following = pc + immediate
            elif kind == "jalr":
                target = x[rs1] + immediate & WORD
                x[rd] = following
                following = target
            elif kind == "lui":
                x[rd] = immediate & WORD
            else:
                x[rd] = pc + immediate & WORD
            x[0] = 0
            if trace:
                trace(pc, at)
            pc = following
        kept = [2, 3, 4, 8, 9, *range(18, 28)]
        assert [x[register] for register in kept] == [before[register] for register in kept], "a register was not kept"
        return x[10]


def _load(memory: bytearray, at: int, function: int) -> int:
    size = 1 << (function & 3)
    assert at % size == 0, f"a load of {size} bytes from {at:#x}"
    value = int.from_bytes(memory[at : at + size], "little")
    return value if function & 4 or size == 4 else _extend(value, 8 * size) & WORD


def _decode(word: int) -> tuple[str, int, int, int, int, object]:
    opcode, rd, rs1, rs2 = word & 0x7F, word >> 7 & 31, word >> 15 & 31, word >> 20 & 31
    three, seven = word >> 12 & 7, word >> 25
    i = _extend(word >> 20, 12)
    if opcode == 0x33:
        return "alu", rd, rs1, rs2, 0, _ALU[three, seven]
    if opcode == 0x13:
        shift = three in (1, 5)
        return "alu_immediate", rd, rs1, 0, rs2 if shift else i, _ALU[three, seven if shift else 0]
    if opcode == 0x03:
        return "load", rd, rs1, 0, i, three
    if opcode == 0x23:
        return "store", 0, rs1, rs2, _extend(seven << 5 | rd, 12), three
    if opcode == 0x63:
        high = _extend(word >> 31 << 12 | (word >> 7 & 1) << 11 | (word >> 25 & 63) << 5 | (word >> 8 & 15) << 1, 13)
        return "branch", 0, rs1, rs2, high, _BRANCHES[three]
    if opcode == 0x6F:
        far = word >> 31 << 20 | (word >> 12 & 255) << 12 | (word >> 20 & 1) << 11 | (word >> 21 & 1023) << 1
        return "jal", rd, 0, 0, _extend(far, 21), None
    if opcode == 0x67:
        return "jalr", rd, rs1, 0, i, None
    if opcode in (0x37, 0x17):
        return "lui" if opcode == 0x37 else "auipc", rd, 0, 0, word & 0xFFFFF000, None
    raise AssertionError(f"no instruction of this core: {word:#010x}")
