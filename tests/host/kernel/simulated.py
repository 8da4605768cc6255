"""The kernel as a node gets it, run by a simulated core: `run`, and the module that the firmware imports."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from riscv import Core

from hadeda.kernel import module
from hadeda.kernel.viper import VIPER

# Where things lie in the core's memory: content, MicroPython's objects that point to it, the array of arguments
CONTENT = {"registers": 0x4000, "program": 0x6000, "table": 0x7000, "signs": 0x8800, "used": 0x8900}
OBJECTS, ARGUMENTS = 0x9000, 0x9100
Trace = Callable[[int, int], None]


def machine_code(mpy: bytes) -> bytes:
    """The one function of the kernel's .mpy, but for the return that the assembler puts behind everything."""
    for at in range(4, len(mpy)):
        number, start = 0, at
        while mpy[start] & 0x80:
            number, start = number << 7 | mpy[start] & 0x7F, start + 1
        number, start = number << 7 | mpy[start], start + 1
        end = start + (number >> 3)
        if number & 7 == VIPER and len(mpy) == end + 1 and end - start > 1024:
            return mpy[start : end - 2]
    raise AssertionError("no code in the kernel's .mpy")


class Simulated:
    """Executes the kernel. `trace` is told every instruction's address and the address it loads from or stores to."""

    def __init__(self) -> None:
        self.core = Core(machine_code(module.compiled()))
        self.trace: Trace | None = None

    def run(self, registers: bytearray, program: bytes, start: int, table: bytes, signs: bytes, used: bytearray) -> int:
        """What MicroPython does when it calls the function."""
        memory = self.core.memory
        given = {"registers": registers, "program": program, "table": table, "signs": signs, "used": used}
        words = [0] * 6
        for number, (name, content) in enumerate(given.items()):
            at, thing = CONTENT[name], OBJECTS + 16 * number
            memory[at : at + len(content)] = content
            memory[thing + 12 : thing + 16] = at.to_bytes(4, "little")
            words[number if number < 2 else number + 1] = thing
        words[2] = start << 1 | 1
        memory[ARGUMENTS : ARGUMENTS + 24] = b"".join(word.to_bytes(4, "little") for word in words)
        answer = self.core.call(0, 6, 0, ARGUMENTS, trace=self.trace)
        registers[:] = memory[CONTENT["registers"] : CONTENT["registers"] + len(registers)]
        if used:
            used[:] = memory[CONTENT["used"] : CONTENT["used"] + len(used)]
        return answer

    def as_module(self) -> ModuleType:
        """What a node imports as envelope.p256_rv32."""
        made = ModuleType("envelope.p256_rv32")
        for name, value in module.names().items():
            setattr(made, name, value)
        made.run = self.run  # type: ignore[attr-defined]
        return made
