"""What sealing a report and opening a signed command cost, out of what `hadeda bench sign` measures.

A figure that the yardstick does not measure in this checkout has a row that says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hadeda.bench.conditions import Conditions
from hadeda.bench.figures import SUBJECTS, summarise
from hadeda.bench.row import Row, Target

UNIT: Final = "instructions"
UNMEASURED: Final = "`hadeda bench sign` does not measure it in this checkout"
SIGN: Final = "mbedtls_sign"
VERIFY: Final = "mbedtls_verify"
PEER: Final = "mbedTLS, C"
PEERS: Final = (
    "mbedTLS 3.6 of MicroPython's own source with NIST reduction, fixed-point comb, RFC 6979 and blinding, gcc -O2, "
    "counted on the same core by the same timer in the same run; it has no table for the key that it checks"
)


@dataclass(frozen=True)
class Wanted:
    """A row: what it is called, what `hadeda bench sign` calls it and its peer, the most it may be in instructions."""

    name: str
    figure: str
    limit: float | None
    peer: str | None = None


PORTABLE: Final = (
    Wanted("sign, bytecode", "sign", 9_000_000, SIGN),
    Wanted("check a known key's signature, bytecode", "verify", None, VERIFY),
    Wanted("open and check a command, bytecode", "open_command", 18_000_000, VERIFY),
    Wanted("open a letter and the command in it, bytecode", "open_letter", None),
)
KERNEL: Final = (
    Wanted("sign, RISC-V kernel", "sign_kernel", 1_500_000, SIGN),
    Wanted("check a known key's signature, RISC-V kernel", "verify_kernel", None, VERIFY),
    Wanted("open and check a command, RISC-V kernel", "open_command_kernel", 3_000_000, VERIFY),
    Wanted("open a letter and the command in it, RISC-V kernel", "open_letter_kernel", None),
)
BESIDE_MAX: Final = 600_000  # what a seal may take beside its signature


def rows(conditions: Conditions) -> list[Row]:
    """Portable path and kernel."""
    yardstick = conditions.yardstick
    values = conditions.sealing | conditions.peer
    tools = f"MicroPython {yardstick.micropython}, {yardstick.flags}, gcc {yardstick.gcc}, QEMU {yardstick.qemu}"
    return [
        *(_row(wanted, values, tools) for wanted in PORTABLE),
        _sum("seal one report, bytecode", ("cbor_encode", "seal"), values, tools, None),
        *(_row(wanted, values, tools) for wanted in KERNEL),
        _sum("seal one report, RISC-V kernel", ("cbor_encode", "seal_kernel"), values, tools, None),
        _beside(values, tools),
    ]


def _row(wanted: Wanted, values: dict[str, list[int]], tools: str) -> Row:
    target = None if wanted.limit is None else Target("<=", wanted.limit)
    peer, peer_value = (PEER, summarise(values[wanted.peer]).median) if wanted.peer else (None, None)
    if wanted.figure not in values:
        return Row(wanted.name, None, UNIT, UNMEASURED, target, peer, peer_value)
    figure = summarise(values[wanted.figure])
    what = SUBJECTS.get(wanted.figure, wanted.name)
    how = f"{what}: median of {figure.runs}, {figure.min} to {figure.max}; icount on RV32IMC; {tools}"
    how += f". {PEERS}" if peer else ""
    return Row(wanted.name, figure.median, UNIT, how, target, peer, peer_value)


def _sum(name: str, parts: Sequence[str], values: dict[str, list[int]], tools: str, target: Target | None) -> Row:
    """Parts that were measured one by one; AES is `cryptolib`, in C as on the chip."""
    if not set(parts) <= set(values):
        return Row(name, None, UNIT, UNMEASURED, target)
    medians = {part: summarise(values[part]).median for part in parts}
    how = f"{' + '.join(f'{part} {median}' for part, median in medians.items())}; AES in C as on the chip; {tools}"
    return Row(name, sum(medians.values()), UNIT, how, target)


def _beside(values: dict[str, list[int]], tools: str) -> Row:
    """A seal less the signature in it, where there is so little garbage that collections blur neither."""
    name, target = "sign and encrypt, beside the signature, RISC-V kernel", Target("<=", BESIDE_MAX)
    if not {"seal_kernel", "sign_kernel"} <= set(values):
        return Row(name, None, UNIT, UNMEASURED, target)
    seal, sign = (summarise(values[figure]).median for figure in ("seal_kernel", "sign_kernel"))
    how = (
        f"seal_kernel {seal} - sign_kernel {sign}: AES-CCM (AES in C as on the chip), COSE, padding, bound data. The "
        f"report's own CBOR is encoded before and is in the row above; {tools}"
    )
    return Row(name, seal - sign, UNIT, how, target)
