"""The RISC-V kernel as a node imports it, where it was shipped; made by host_tools/hadeda/kernel."""

PROGRAM: bytes
CONSTANTS: bytes  # of the first registers

# Where in PROGRAM each part starts, in words; what each does stands in host_tools/hadeda/kernel/programs.py
PICK_GENERATOR: bytes  # of its four tables
PICK_KEY: bytes  # of its two
SUMS: int
GENERATOR: int
BOTH: int
AFFINE: int
INVERSE: int
SIGNATURE: int

# How many registers of 32 bytes it wants: without a key's comb, with one, and for INVERSE. Where some are, in bytes
REGISTERS: int
REGISTERS_BOTH: int
REGISTERS_INVERSE: int
STRETCH: int
X: int
Y: int
CHECK: int
SIGNATURE_INPUTS: int  # nonce, private key, hash, factor
SIGNATURE_R: int
SIGNATURE_S: int

def run(
    registers: bytearray,
    program: bytes,
    start: int,
    table: bytes | bytearray,
    signs: bytes,
    used: bytes | bytearray,
) -> int: ...
