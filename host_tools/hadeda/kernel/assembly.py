"""Assembly text for MicroPython's `@micropython.asm_rv32`, put down one instruction at a time.

Only instructions of four bytes are used, so that an offset is a count. Labels are only ever jumped back to: in the pass
that measures the code MicroPython's assembler reads the offset of a label that it has not met from unset memory.
"""

WORD = 4
# Left alone: zero, sp, and gp and tp, which belong to the firmware and its interrupts
SAVED = ("ra", *(f"s{number}" for number in range(12)))


class Assembly:
    """A growing list of instructions, four bytes each."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._size

    def label(self, name: str) -> None:
        self._lines.append(f"label({name})")

    def put(self, name: str, *operands: str | int) -> None:
        """One instruction: its name as asm_rv32 spells it, then registers, numbers or a label above."""
        self._lines.append(f"{name}({', '.join(map(str, operands))})")
        self._size += WORD

    def load(self, name: str, register: str, offset: int, base: str) -> None:
        """A load or a store: lw, lbu, sw, ..."""
        self.put(name, register, f"{offset}({base})")

    def copy(self, register: str, source: str) -> None:
        # mv(rd, zero) would assemble to a jump
        self.put("addi", register, source, 0)

    def constant(self, register: str, value: int) -> None:
        """A number of 32 bits in a register, always in two instructions."""
        low = (value + 0x800 & 0xFFF) - 0x800
        self.put("lui", register, (value - low >> 12) & 0xFFFFF)
        self.put("addi", register, register, low)

    def back_to(self, target: str) -> None:
        self.put("jal", "zero", target)

    def text(self, indent: str = "    ") -> str:
        return "".join(f"{indent}{line}\n" for line in self._lines)
