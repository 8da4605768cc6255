"""What sealing a report and opening a signed command cost, out of what `hadeda bench sign` measures.

A figure that the yardstick does not measure in this checkout has a row that says so.
"""

from dataclasses import dataclass
from typing import Final

from hadeda.bench.conditions import Conditions
from hadeda.bench.figures import SUBJECTS, summarise
from hadeda.bench.row import Row, Target

UNIT: Final = "instructions"
UNMEASURED: Final = "`hadeda bench sign` does not measure it in this checkout"
C_SIGN: Final = ("mbedTLS, C", 8_140_000)
C_VERIFY: Final = ("micro-ecc, C", 11_800_000)
PEERS: Final = (
    "C compiled by gcc 12 -O2 for the same core and counted the same way, once, not by this command: mbedTLS with NIST "
    "reduction and fixed-point comb signs in 8.14 M and checks in 27.5 M (19.6 M without the comb), micro-ecc signs in "
    "10.6 M and checks in 11.8 M; neither is blinded or checks for faults; their keys are unknown ones"
)


@dataclass(frozen=True)
class Wanted:
    """A row: what it is called, what `hadeda bench sign` calls it, what the instructions may be at the most."""

    name: str
    figure: str
    limit: float | None
    peer: tuple[str, float] | None = None


PORTABLE: Final = (
    Wanted("sign, bytecode", "sign", 9_000_000, C_SIGN),
    Wanted("check a known key's signature, bytecode", "verify", None, C_VERIFY),
    Wanted("open and check a command, bytecode", "open_command", 18_000_000, C_VERIFY),
    Wanted("open a letter and the command in it, bytecode", "open_letter", None),
    Wanted("seal one report, bytecode", "seal", None),
)
KERNEL: Final = (
    Wanted("sign, RISC-V kernel", "sign_kernel", 1_500_000, C_SIGN),
    Wanted("check a known key's signature, RISC-V kernel", "verify_kernel", None, C_VERIFY),
    Wanted("open and check a command, RISC-V kernel", "open_command_kernel", 3_000_000, C_VERIFY),
    Wanted("open a letter and the command in it, RISC-V kernel", "open_letter_kernel", None),
    Wanted("seal one report, RISC-V kernel", "seal_kernel", None),
)
BESIDE_MAX: Final = 600_000  # what the seal may take beside its signature


def rows(conditions: Conditions) -> list[Row]:
    """Portable path and kernel."""
    yardstick = conditions.yardstick
    values = conditions.sealing
    tools = f"MicroPython {yardstick.micropython}, {yardstick.flags}, gcc {yardstick.gcc}, QEMU {yardstick.qemu}"
    found = [_row(wanted, values, tools) for wanted in PORTABLE]
    found.append(_beside("seal beside its signature, bytecode", "sign", "seal", values, tools))
    found += [_row(wanted, values, tools) for wanted in KERNEL]
    found.append(_beside("seal beside its signature, RISC-V kernel", "sign_kernel", "seal_kernel", values, tools))
    return found


def _row(wanted: Wanted, values: dict[str, list[int]], tools: str) -> Row:
    target = None if wanted.limit is None else Target("<=", wanted.limit)
    peer, peer_value = wanted.peer or (None, None)
    if wanted.figure not in values:
        return Row(wanted.name, None, UNIT, UNMEASURED, target, peer, peer_value)
    figure = summarise(values[wanted.figure])
    how = (
        f"{SUBJECTS[wanted.figure]}: median of {figure.runs}, {figure.min} to {figure.max}; icount on RV32IMC; {tools}"
    )
    how += f". {PEERS}" if peer else ""
    return Row(wanted.name, figure.median, UNIT, how, target, peer, peer_value)


def _beside(name: str, sign: str, seal: str, values: dict[str, list[int]], tools: str) -> Row:
    """The seal less the signature in it: medians of two measurements, so collections may fall to either."""
    target = Target("<=", BESIDE_MAX)
    if sign not in values or seal not in values:
        return Row(name, None, UNIT, UNMEASURED, target)
    rest = summarise(values[seal]).median - summarise(values[sign]).median
    how = f"all CBOR, padding and AES-CCM (cryptolib, in C as on the chip): median seal less median sign; {tools}"
    return Row(name, rest, UNIT, how, target)
