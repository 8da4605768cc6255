"""The kernel on a real RISC-V MicroPython, under QEMU, as it is shipped: vectors, and instructions by the counter.

That MicroPython has the inline assembler; the file it loads has none of it: it calls the kernel as a viper function,
which a stock ESP32-C3 does too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hadeda.bench.build import build
from hadeda.bench.machine import Machine
from hadeda.bench.run import load_sealing
from hadeda.provision.combs import file

VECTORS = Path(__file__).parents[2] / "vectors/wycheproof/ecdsa_secp256r1_sha256_p1363_test.json"
ON_BOARD = """
from binascii import unhexlify
from envelope import ecdsa, p256, p256_kernel, p256_rv32, p256_portable
from ports.table import tables

# What the comb does not find valid takes no second way here: it is no part of the kernel
ecdsa.p256_point.multiply = lambda *_arguments: p256.INFINITY

def check(key, message, signature):
    comb = tables("/combs/" + key[2:10], 2, 4096)
    print(int(ecdsa.Verifier(unhexlify(key), comb).verify(unhexlify(message), unhexlify(signature))))

@micropython.asm_rv32
def instructions():
    csrrs(a0, zero, 0xB02)  # minstret
    slli(a0, a0, 4)
    srli(a0, a0, 4)

def counted(k, d, z, *blinds):
    counts, run = [], p256_rv32.run
    def counting(a, b, c, d, e, f):
        start = instructions()
        run(a, b, c, d, e, f)
        counts.append(instructions() - start & 0xFFFFFFF)
    p256_rv32.run = counting
    p256_kernel.signature(k, d, z, *blinds)
    p256_rv32.run = run
    print(*counts)
"""


@pytest.fixture(scope="module")
def board() -> Iterator[Machine]:
    with Machine(build()) as machine:
        load_sealing(machine, kernel=True)
        machine.run(ON_BOARD)
        yield machine


def test_the_kernel_is_what_signs(board: Machine) -> None:
    assert board.run("print(ecdsa.kernel, ecdsa.engine is p256_kernel)").split() == ["1", "True"]


def test_it_is_a_viper_function(board: Machine) -> None:
    """An assembler function would take three arguments at most and name a number of them; this one takes any six."""
    assert board.run("print(type(p256_rv32.run) is type(instructions))").split() == ["False"]


def test_wycheproof_vectors(board: Machine) -> None:
    """The large group of one key, and every twelfth of those of one or two vectors, each under its key's comb.

    All of them would take minutes here; on big integers tests/firmware has them all.
    """
    counts = {"valid": 0, "invalid": 0}
    first, *others = json.loads(VECTORS.read_text())["testGroups"]
    groups = {bytes.fromhex(group["publicKey"]["uncompressed"]): group for group in [first, *others[::12]]}
    board.put_files("/combs", {public[1:5].hex(): file(public)[1] for public in groups})
    for public, group in groups.items():
        vectors = group["tests"]
        calls = [f"check({public.hex()!r}, {vector['msg']!r}, {vector['sig']!r})" for vector in vectors]
        for vector, said in zip(vectors, board.run("\n".join(calls)).split(), strict=True):
            assert said == str(int(vector["result"] == "valid")), vector["tcId"]
            counts[vector["result"]] += 1
    assert counts == {"valid": 66, "invalid": 61}


def test_rfc6979_vectors(board: Machine) -> None:
    """Appendix A.2.5, P-256 with SHA-256."""
    private = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    vectors = (
        (
            b"sample",
            0xA6E3C57DD01ABE90086538398355DD4C3B17AA873382B0F24D6129493D8AAD60,
            0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
            0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
        ),
        (
            b"test",
            0xD16B6AE827F17175E040871A1C7EC3500192C4C92677336EC2537ACAEE0008E0,
            0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
            0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
        ),
    )
    for message, nonce, r, s in vectors:
        z = int.from_bytes(hashlib.sha256(message).digest(), "big")
        said = board.run(f"print(*p256_kernel.signature({nonce}, {private}, {z}, 77, 55, 0x123456))")
        assert said.split() == [str(r), str(s)]


def test_both_engines_sign_the_same(board: Machine) -> None:
    for seed in range(3):
        k, d, z = (int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest(), "big") >> 1 for name in "kdz")
        said = board.run(f"print(*[e.signature({k}, {d}, {z}, 9, 11, 13) for e in (p256_kernel, p256_portable)])")
        first, second = said.replace("(", "").split(")")[:2]
        assert first.split() == second.split()


def test_every_signature_takes_the_same_number_of_instructions(board: Machine) -> None:
    """Thirty keys, nonces, hashes and blinds: the kernel's part of each, by the core's own counter."""
    board.run("order = p256.N\ndef number(text): return int.from_bytes(ecdsa.sha256(text).digest(), 'big')")
    counts = []
    for seed in range(31):
        names = "b'k', b'd', b'z', b'f', b's'"
        board.run(f"k, d, z, f, s = [number(b'{seed} ' + name) for name in ({names})]")
        counts.append(board.run("counted(k % order, d % order, z, f % order, s % p256.P, s & 0xffffff)").strip())
    # The first one meets the interpreter's caches cold
    assert len(set(counts[1:])) == 1
