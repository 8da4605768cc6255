"""The RISC-V kernel as a node imports it, where it was shipped; made by host_tools/hadeda/kernel."""

PROGRAM: bytes
CONSTANTS: bytes  # of the first registers
# Where in PROGRAM each part starts, in words; what each does stands in host_tools/hadeda/kernel/programs.py
PICK_GENERATOR: bytes  # of its four tables
PICK_KEY: int
GENERATOR: int
KEY: int
BOTH: int
AFFINE: int
INVERSE: int
REGISTERS: int
STRETCH_AT: int
X_AT: int
Y_AT: int

def run(
    registers: bytearray, program: bytes, start: int, table: bytes | bytearray, signs: bytes, used: bytes | bytearray
) -> int: ...
