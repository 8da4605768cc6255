"""One flipped bit anywhere in the kernel's run, in a register or in a table, lets no wrong signature out."""

from __future__ import annotations

import random
from types import ModuleType

import pytest
from simulated import Simulated

from envelope import ecdsa, p256
from envelope.errors import FaultDetected

N = p256.N
K, D, Z = 0x1234567 << 220 | 1, 0x7654321 << 200 | 5, 0xABCDEF << 230 | 9
BLINDS = (0x55AA << 200 | 3, 0x77 << 220 | 1, 0x5A5A5A)
FAULTS = 12


class Crash(Exception):
    """The core ran wild: a board would be reset by its watchdog."""


class _Glitch:
    """Flips a bit of a core's register behind the given instruction."""

    def __init__(self, simulated: Simulated, instruction: int, register: int, bit: int) -> None:
        self._core = simulated.core
        self._at = self._core.executed + instruction
        self._end = self._core.executed + 3_000_000
        self._register, self._bit = register, bit
        self.happened = False

    def __call__(self, _instruction: int, _address: int) -> None:
        if self._core.executed == self._at:
            self._core.x[self._register] ^= 1 << self._bit
            self.happened = True
        if self._core.executed > self._end:
            raise Crash


def test_flipped_bits_in_registers_let_no_wrong_signature_out(simulated: Simulated, engine: ModuleType) -> None:
    before = simulated.core.executed
    good = engine.signature(K, D, Z, *BLINDS)
    length = simulated.core.executed - before
    dice = random.Random(20)
    noticed = harmless = 0
    for _ in range(FAULTS):
        # Every register of the machine but zero, gp and tp, at a random time
        register = dice.choice([1, 2, *range(5, 32)])
        glitch = _Glitch(simulated, dice.randrange(1, length), register, dice.randrange(32))
        simulated.trace = glitch
        try:
            result = engine.signature(K, D, Z, *BLINDS)
        except (FaultDetected, Crash, AssertionError, IndexError, KeyError, ValueError):
            noticed += 1
        else:
            harmless += 1
            assert result == good
        assert glitch.happened
    assert noticed >= FAULTS // 3, (noticed, harmless)


def test_a_flipped_bit_in_every_entry_of_a_table_lets_nothing_out(
    engine: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten entries of each are used: a changed one is a point of another curve, and so is every sum with it."""
    real = [bytearray(len(table)) for table in engine.GENERATOR]
    for table, content in zip(engine.GENERATOR, real, strict=True):
        table.read(0, content)
    for number in range(4):
        damaged = bytearray(real[number])
        for entry in range(64):
            damaged[64 * entry + entry] ^= 1 << entry % 8
        tables = [*real[:number], damaged, *real[number + 1 :]]
        monkeypatch.setattr(engine, "GENERATOR", tuple(map(_Table, tables)))
        with pytest.raises(FaultDetected):
            engine.times_generator(K, *BLINDS[1:])


class _Table:
    """A table in memory."""

    def __init__(self, data: bytes | bytearray) -> None:
        self._data = data

    def read(self, start: int, target: bytearray) -> None:
        target[:] = self._data[start : start + len(target)]


def test_a_scalar_that_is_not_the_nonce_is_noticed(engine: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    real = engine.p256_comb.blinded
    for bit in (1, 100, 255, 279):
        monkeypatch.setattr(engine.p256_comb, "blinded", lambda k, blind, bit=bit: real(k, blind) ^ 1 << bit)
        with pytest.raises(FaultDetected):
            engine.signature(K, D, Z, *BLINDS)


def test_after_a_fault_the_kernel_is_tried_and_given_up_if_it_stays(
    engine: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A passing fault costs one signature; a kernel that computes wrong costs no other: big integers go on."""
    from envelope import p256_portable
    from envelope.drbg import Drbg

    private, generator = b"\x5a" * 32, Drbg(b"the same randomness in every run.")
    public = ecdsa.public_key(private, generator)
    real = engine.signature
    monkeypatch.setattr(engine, "signature", _raise_once(real))
    with pytest.raises(FaultDetected):
        ecdsa.sign(private, b"message", generator)
    assert ecdsa.engine is engine
    constants = bytearray(engine.kernel.CONSTANTS)
    constants[4 * 32] ^= 1  # of the curve's b
    monkeypatch.setattr(engine.kernel, "CONSTANTS", bytes(constants))
    with pytest.raises(FaultDetected):
        ecdsa.sign(private, b"message", generator)
    assert (ecdsa.engine, ecdsa.kernel) == (p256_portable, 2)
    assert ecdsa.verify(public, b"message", ecdsa.sign(private, b"message", generator))


def _raise_once(real: object) -> object:
    calls = []

    def signature(*arguments: int) -> object:
        calls.append(arguments)
        if len(calls) == 1:
            raise FaultDetected("once")
        return real(*arguments)  # type: ignore[operator]

    return signature
