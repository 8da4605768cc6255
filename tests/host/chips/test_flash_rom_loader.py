"""The model of the ROM's loader, spoken to in the bytes of the protocol's documentation."""

import hashlib
import struct
import zlib
from collections.abc import Iterator

import pytest

from hadeda.board.chips import CHIPS
from hadeda.emulator.flash import Flash
from hadeda.emulator.rom_loader import RomLoader

SYNC = b"\x07\x07\x12\x20" + b"\x55" * 32


@pytest.fixture
def flash() -> Iterator[Flash]:
    flash = Flash(4 << 20)
    yield flash
    flash.close()


@pytest.fixture
def esp32(flash: Flash) -> RomLoader:
    return RomLoader(CHIPS["esp32"], flash)


def packet(command: int, body: bytes = b"", check: int = 0) -> bytes:
    raw = struct.pack("<BBHI", 0, command, len(body), check) + body
    return b"\xc0" + raw.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"


def answers(data: bytes) -> list[tuple[int, int, bytes]]:
    """(command, value, content and status) of each packet."""
    found = []
    for part in data.split(b"\xc0"):
        raw = part.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
        if raw and raw != b"OHAI":
            direction, command, size, value = struct.unpack_from("<BBHI", raw)
            assert (direction, size) == (1, len(raw) - 8)
            found.append((command, value, raw[8:]))
    return found


def check_of(data: bytes) -> int:
    check = 0xEF
    for byte in data:
        check ^= byte
    return check


def block(data: bytes, number: int = 0) -> bytes:
    return struct.pack("<IIII", len(data), number, 0, 0) + data


def as_stub(loader: RomLoader) -> RomLoader:
    assert b"\xc0OHAI\xc0" in loader.receive(packet(0x06, struct.pack("<II", 0, 0x40000000)))
    return loader


def test_a_sync_is_answered_eight_times_and_not_with_0(esp32: RomLoader) -> None:
    found = answers(esp32.receive(packet(0x08, SYNC)))
    assert len(found) == 8
    assert {(command, status[:2]) for command, _, status in found} == {(0x08, b"\0\0")}
    assert all(value for _, value, _ in found)
    assert {value for _, value, _ in answers(as_stub(esp32).receive(packet(0x08, SYNC)))} == {0}


def test_chips_tell_themselves_apart() -> None:
    with_id = {name: RomLoader(chip, Flash(4 << 20)) for name, chip in CHIPS.items()}
    magic = {name: answers(loader.receive(packet(0x0A, struct.pack("<I", 0x40001000))))[0][1]
             for name, loader in with_id.items()}  # fmt: skip
    assert magic["esp32"] == 0x00F01D83
    numbers = {name: answers(loader.receive(packet(0x14)))[0][2] for name, loader in with_id.items()}
    assert numbers.pop("esp32")[:2] == b"\x01\x05"  # it does not know the command
    assert {name: struct.unpack_from("<I", body, 12)[0] for name, body in numbers.items()} == {
        "esp32s3": 9,
        "esp32c3": 5,
        "esp32c6": 13,
    }


def test_bytes_are_stuffed_both_ways(esp32: RomLoader, flash: Flash) -> None:
    data = b"\xc0\xdb\xdc\xdd" * 256
    esp32.receive(packet(0x02, struct.pack("<IIII", 1024, 1, 1024, 0x1000)))
    esp32.receive(packet(0x03, block(data), check_of(data)))
    assert flash.read(0x1000, 1024) == data


def test_packets_come_in_pieces_and_after_noise(esp32: RomLoader) -> None:
    sent = b"\r\n>>> " + packet(0x08, SYNC)
    found = b"".join(esp32.receive(sent[at : at + 1]) for at in range(len(sent)))
    assert len(answers(found)) == 8


def test_the_rom_erases_what_is_to_be_written(esp32: RomLoader, flash: Flash) -> None:
    flash.program(0, bytes(0x4000))
    esp32.receive(packet(0x02, struct.pack("<IIII", 0x1800, 6, 1024, 0x1000)))
    assert flash.read(0, 0x4000) == bytes(0x1000) + b"\xff" * 0x2000 + bytes(0x1000)


def test_compressed_data(esp32: RomLoader, flash: Flash) -> None:
    data = bytes(range(256)) * 40
    packed = zlib.compress(data, 9)
    esp32.receive(packet(0x10, struct.pack("<IIII", len(data), 1, len(packed), 0x2000)))
    esp32.receive(packet(0x11, block(packed), check_of(packed)))
    assert flash.read(0x2000, len(data)) == data


def test_digests_differ_in_form(esp32: RomLoader, flash: Flash) -> None:
    wanted = hashlib.md5(flash.read(0x1000, 0x3000))
    question = packet(0x13, struct.pack("<IIII", 0x1000, 0x3000, 0, 0))
    assert answers(esp32.receive(question))[0][2] == wanted.hexdigest().encode() + bytes(4)
    assert answers(as_stub(esp32).receive(question))[0][2] == wanted.digest() + bytes(2)


@pytest.mark.parametrize(
    ("command", "body", "check", "reason"),
    [
        (0xD0, b"", 0, 0x05),  # only the stub erases everything
        (0x7F, b"", 0, 0x05),
        (0x02, b"\x01", 0, 0x0B),
        (0x02, struct.pack("<IIII", 0x1000, 1, 4096, 4 << 20), 0, 0x0B),  # beyond the flash
        (0x03, block(b"abcd"), 0, 0x07),  # wrong checksum
        (0x03, block(b"abcd"), check_of(b"abcd"), 0x0B),  # nothing was begun
        (0x11, block(b"abcd"), check_of(b"abcd"), 0x0B),  # not compressed
        (0x13, struct.pack("<IIII", 0, 5 << 20, 0, 0), 0, 0x0B),
        (0x07, struct.pack("<IIII", 9, 0, 0, 0) + b"abcd", check_of(b"abcd"), 0x0B),
    ],
)
def test_what_is_refused(esp32: RomLoader, flash: Flash, command: int, body: bytes, check: int, reason: int) -> None:
    assert answers(esp32.receive(packet(command, body, check))) == [(command, 0x20120707, bytes((1, reason, 0, 0)))]
    assert (flash.erases, flash.programs) == (0, 0)


def test_a_stub_erases_sectors_and_no_less(esp32: RomLoader, flash: Flash) -> None:
    flash.program(0, bytes(0x3000))
    loader = as_stub(esp32)
    assert answers(loader.receive(packet(0xD1, struct.pack("<II", 0x1000, 100))))[0][2] == b"\x01\x0b"
    assert answers(loader.receive(packet(0xD1, struct.pack("<II", 0x1000, 0x1000))))[0][2] == b"\0\0"
    assert flash.read(0, 0x3000) == bytes(0x1000) + b"\xff" * 0x1000 + bytes(0x1000)
    assert answers(loader.receive(packet(0xD0)))[0][2] == b"\0\0"
    assert flash.read(0, 0x3000) == b"\xff" * 0x3000


def test_the_flash_tells_its_size_through_the_spi_registers() -> None:
    for size_mb, size_code in ((4, 22), (8, 23), (16, 24)):
        loader = RomLoader(CHIPS["esp32c3"], Flash(size_mb << 20))
        for address, value in ((0x60002020, 7 << 28 | 0x9F), (0x60002000, 1 << 18)):
            loader.receive(packet(0x09, struct.pack("<IIII", address, value, 0xFFFFFFFF, 0)))
        assert answers(loader.receive(packet(0x0A, struct.pack("<I", 0x60002058))))[0][1] >> 16 == size_code


def test_no_bytes_do_harm(esp32: RomLoader) -> None:
    import random

    for seed in range(300):
        noise = random.Random(seed)
        esp32.receive(b"\xc0" + bytes([0, noise.randrange(0x16)]) + noise.randbytes(noise.randrange(60)) + b"\xc0")
    assert len(answers(esp32.receive(packet(0x08, SYNC)))) == 8
