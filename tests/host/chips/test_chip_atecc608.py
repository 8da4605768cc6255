"""The ATECC608 model against what is known in public of the part."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from hadeda.emulator.chips.atecc608 import CURVE, NEW, Atecc608, crc16, packet
from hadeda.emulator.chips.base import Nack

WAKE, INFO, RANDOM, NONCE, READ, WRITE, LOCK, GEN_KEY, SIGN = 0, 0x30, 0x1B, 0x16, 0x02, 0x12, 0x17, 0x40, 0x41
PARSE_ERROR, EXECUTION_ERROR = b"\x03", b"\x0f"
BYTE_AT_100_KHZ = 80e-6
DIGEST = bytes(range(32))
# Private keys: slots 0 and 1 sign digests and take new keys, 1 is lockable; 2 signs what it made; 3 wants its own nonce
SLOTS = bytes.fromhex("81208120822083a0") + b"\x8f\x8f" * 12
KEYS = bytes.fromhex("1300330013005300") + b"\x1c\x00" * 12


class Bench:
    """A chip, and hands that wake it, talk to it and wait for it."""

    def __init__(self, **how: object) -> None:
        self.chip = Atecc608(**how)  # type: ignore[arg-type]
        self.now = 1000.0

    def wake(self) -> bytes:
        self.chip.line_held_low(BYTE_AT_100_KHZ, self.now)
        self.now += 0.0015
        return self.chip.read(4, self.now)

    def sleep(self) -> None:
        self.chip.write(b"\x01", self.now)

    def send(self, opcode: int, mode: int = 0, param: int = 0, data: bytes = b"") -> None:
        content = bytes([opcode, mode]) + param.to_bytes(2, "little") + data
        self.chip.write(b"\x03" + packet(content), self.now)

    def ask(self, opcode: int, mode: int = 0, param: int = 0, data: bytes = b"") -> bytes:
        """The answer to a command, in a waking of its own."""
        self.wake()
        self.send(opcode, mode, param, data)
        answer = self.answer()
        self.sleep()
        return answer

    def answer(self) -> bytes:
        """The content of what it says once it is done."""
        for _ in range(200):
            try:
                wire = self.chip.read(80, self.now)
            except Nack:
                self.now += 0.001
                continue
            said, rest = wire[: wire[0]], wire[wire[0] :]
            assert said == packet(said[1:-2])
            assert rest == b"\xff" * len(rest)
            return said[1:-2]
        raise AssertionError("it is never done")

    def config(self) -> bytes:
        return b"".join(self.ask(READ, 0x80, block << 3) for block in range(4))

    def write_word(self, offset: int, word: bytes) -> bytes:
        return self.ask(WRITE, 0, offset // 4, word)


def configured(bench: Bench) -> Bench:
    for start, content in ((20, SLOTS), (96, KEYS)):
        for at in range(0, len(content), 4):
            assert bench.write_word(start + at, content[at : at + 4]) == b"\0"
    return bench


def locked(bench: Bench) -> Bench:
    configured(bench)
    assert bench.ask(LOCK, 0, int.from_bytes(crc16(bench.config()), "little")) == b"\0"
    assert bench.ask(LOCK, 0x81) == b"\0"
    return bench


def key(public: bytes) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(CURVE, b"\x04" + public)


def holds(public: bytes, digest: bytes, signature: bytes) -> bool:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        key(public).verify(utils.encode_dss_signature(r, s), digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize(
    "known",
    [
        "04113343",  # after waking
        "04000340",  # success
        "040f2342",  # execution error
        "040100c3",  # miscompare
        "0730000000035d",  # Info
        "071c0000000a4d",  # DeriveKey
        "07150200003008",  # GenDig
        "07000060028038",  # what an ATECC608A says to Info
    ],
)
def test_checksums_as_drivers_and_their_benches_have_them(known: str) -> None:
    content = bytes.fromhex(known)[1:-2]
    assert packet(content).hex() == known


def test_asleep_it_hears_a_line_that_is_low_for_long_enough_and_nothing_else() -> None:
    bench = Bench()
    for said in (b"", b"\x00", b"\x03" + packet(bytes([INFO, 0, 0, 0]))):
        with pytest.raises(Nack):
            bench.chip.write(said, bench.now)
    bench.chip.line_held_low(8 / 400e3, bench.now)  # a byte of zeros on a fast bus
    with pytest.raises(Nack):
        bench.chip.read(4, bench.now + 0.01)
    bench.chip.line_held_low(BYTE_AT_100_KHZ, bench.now)
    with pytest.raises(Nack):
        bench.chip.read(4, bench.now + 0.0014)
    assert bench.chip.read(4, bench.now + 0.0015).hex() == "04113343"


def test_a_waking_while_it_is_awake_is_ignored() -> None:
    bench = Bench()
    bench.wake()
    bench.send(INFO)
    bench.chip.line_held_low(BYTE_AT_100_KHZ, bench.now)
    assert bench.answer() == b"\0\0\x60\x03"


def test_it_is_silent_while_it_computes_and_what_it_said_can_be_read_again() -> None:
    bench = Bench()
    bench.wake()
    bench.send(INFO)
    with pytest.raises(Nack):
        bench.chip.read(7, bench.now)
    assert bench.answer() == b"\0\0\x60\x03"
    bench.chip.write(b"\x00", bench.now)
    assert bench.chip.read(2, bench.now) + bench.chip.read(5, bench.now) == packet(b"\0\0\x60\x03")


def test_its_watchdog_puts_it_to_sleep_and_refuses_what_would_not_fit() -> None:
    bench = locked(Bench())
    bench.ask(GEN_KEY, 4, 0)
    bench.wake()
    bench.now += 1.25
    bench.send(GEN_KEY, 0, 0)
    assert bench.answer() == b"\xee"
    bench.now += 0.05
    with pytest.raises(Nack):
        bench.send(INFO)


def test_sleep_forgets_the_digest_idle_keeps_it() -> None:
    bench = locked(Bench())
    bench.ask(GEN_KEY, 4, 0)
    for word, signs in ((b"\x02", True), (b"\x01", False)):
        bench.wake()
        bench.send(NONCE, 3, 0, DIGEST)
        assert bench.answer() == b"\0"
        bench.chip.write(word, bench.now)
        assert (len(bench.ask(SIGN, 0x80, 0)) == 64) is signs


@pytest.mark.parametrize("damage", [lambda p: p[:-1], lambda p: p[:-1] + b"?", lambda p: p + b"!", lambda _: b"\x07"])
def test_a_damaged_command_is_not_carried_out(damage: Callable[[bytes], bytes]) -> None:
    bench = Bench()
    bench.wake()
    bench.chip.write(b"\x03" + damage(packet(bytes([LOCK, 0x80, 0, 0]))), bench.now)
    assert bench.answer() == b"\xff"
    assert not bench.chip.config_locked


def test_a_new_part() -> None:
    bench = Bench(seed=5)
    config = bench.config()
    assert (config[:2], config[12]) == (b"\x01\x23", 0xEE)  # every serial number
    assert config[86:90] == b"\x55\x55\xff\xff"
    assert config[13:] == NEW[13:]
    assert bench.ask(RANDOM) == b"\xff\xff\0\0" * 8
    assert Bench(seed=6).chip.serial != bench.chip.serial == Bench(seed=5).chip.serial


def test_what_can_never_be_written_and_what_can_until_it_is_locked() -> None:
    bench = Bench()
    for offset in (0, 4, 12, 84):
        assert bench.write_word(offset, bytes(4)) == EXECUTION_ERROR
    for block in (0, 2):
        assert bench.ask(WRITE, 0x80, block << 3, bytes(32)) == EXECUTION_ERROR
    assert bench.ask(WRITE, 0, 40, bytes(4)) == PARSE_ERROR  # beyond its end
    locked(bench)
    assert bench.config()[20:52] == SLOTS
    assert bench.write_word(20, bytes(4)) == EXECUTION_ERROR
    assert bench.config()[20:52] == SLOTS


def test_locks_close_once_in_their_order_and_only_on_what_was_read() -> None:
    bench = configured(Bench())
    assert bench.ask(LOCK, 0x81) == EXECUTION_ERROR  # the configuration comes first
    summary = int.from_bytes(crc16(bench.config()), "little")
    assert bench.ask(LOCK, 0, summary ^ 1) == EXECUTION_ERROR
    assert not bench.chip.config_locked
    assert bench.ask(LOCK, 0, summary) == b"\0"
    assert bench.ask(LOCK, 0, summary) == EXECUTION_ERROR
    assert bench.ask(LOCK, 0x80) == EXECUTION_ERROR
    assert (bench.chip.config_locked, bench.chip.data_locked) == (True, False)
    assert bench.ask(LOCK, 0x81) == b"\0"
    assert bench.ask(LOCK, 0x81) == EXECUTION_ERROR
    assert bench.config()[86:88] == b"\0\0"


def test_no_key_before_the_configuration_is_locked_and_no_signature_before_the_rest_is() -> None:
    bench = configured(Bench())
    assert bench.ask(GEN_KEY, 4, 0) == EXECUTION_ERROR
    bench.ask(LOCK, 0x80)
    public = bench.ask(GEN_KEY, 4, 0)
    assert len(public) == 64
    bench.wake()
    bench.send(NONCE, 3, 0, DIGEST)
    bench.answer()
    bench.send(SIGN, 0x80, 0)
    assert bench.answer() == EXECUTION_ERROR


def test_it_signs_with_the_key_it_made_and_tells_its_public_half() -> None:
    bench = locked(Bench())
    assert bench.ask(GEN_KEY, 0, 0) == EXECUTION_ERROR  # there is none yet
    public = bench.ask(GEN_KEY, 4, 0)
    key(public)  # a point of the curve
    assert bench.ask(GEN_KEY, 0, 0) == public
    assert bench.ask(GEN_KEY, 4, 1) != public
    bench.wake()
    bench.send(NONCE, 3, 0, DIGEST)
    bench.answer()
    bench.send(SIGN, 0x80, 0)
    signature = bench.answer()
    assert holds(public, DIGEST, signature)
    assert not holds(public, DIGEST[::-1], signature)
    bench.send(SIGN, 0x80, 0)
    assert bench.answer() == EXECUTION_ERROR  # its digest is spent


def test_a_slot_does_what_its_configuration_allows_and_no_more() -> None:
    bench = locked(Bench())
    for slot in (0, 1, 2):
        bench.ask(GEN_KEY, 4, slot)
    for slot, why in ((2, "signs what it made itself only"), (3, "wants a random nonce"), (4, "no key of a curve")):
        bench.wake()
        bench.send(NONCE, 3, 0, DIGEST)
        bench.answer()
        bench.send(SIGN, 0x80, slot)
        assert bench.answer() == EXECUTION_ERROR, why
        bench.sleep()
    for slot in (0, 5):
        assert bench.ask(READ, 0x82, slot << 3) == EXECUTION_ERROR, "a secret was read"
        assert bench.ask(WRITE, 0x82, slot << 3, bytes(32)) == EXECUTION_ERROR
    assert bench.ask(GEN_KEY, 4, 9) == EXECUTION_ERROR


def test_a_slot_that_is_locked_keeps_its_key_and_one_that_is_not_lockable_is_not() -> None:
    bench = locked(Bench())
    public = bench.ask(GEN_KEY, 4, 1)
    assert bench.ask(LOCK, 2 | 0 << 2) == EXECUTION_ERROR
    assert bench.ask(LOCK, 2 | 1 << 2) == b"\0"
    assert bench.config()[88:90] == b"\xfd\xff"
    assert bench.ask(GEN_KEY, 4, 1) == EXECUTION_ERROR
    assert bench.ask(GEN_KEY, 0, 1) == public


def test_random_numbers_never_come_twice_and_the_same_seed_gives_the_same(tmp_path: Path) -> None:
    one, two = locked(Bench(seed=3)), locked(Bench(seed=3))
    drawn = [one.ask(RANDOM) for _ in range(5)]
    assert drawn == [two.ask(RANDOM) for _ in range(5)]
    assert len(set(drawn)) == 5
    kept = locked(Bench(seed=3, memory=tmp_path / "chip"))
    first = kept.ask(RANDOM)
    assert Bench(seed=3, memory=tmp_path / "chip").ask(RANDOM) != first


def test_what_is_in_it_outlives_the_supply_and_its_digest_does_not(tmp_path: Path) -> None:
    bench = locked(Bench(memory=tmp_path / "chip"))
    public = bench.ask(GEN_KEY, 4, 0)
    bench.wake()
    bench.send(NONCE, 3, 0, DIGEST)
    bench.answer()
    bench.chip.power_down()
    assert bench.ask(SIGN, 0x80, 0) == EXECUTION_ERROR
    again = Bench(memory=tmp_path / "chip")
    assert again.config() == bench.config()
    assert again.ask(GEN_KEY, 0, 0) == public


def test_a_change_that_the_power_does_not_allow_does_not_happen() -> None:
    bench = configured(Bench())

    def cut(what: str) -> None:
        raise RuntimeError(what)

    bench.chip.eeprom.before_change = cut
    with pytest.raises(RuntimeError, match="lock config"):
        bench.ask(LOCK, 0x80)
    assert not bench.chip.config_locked
