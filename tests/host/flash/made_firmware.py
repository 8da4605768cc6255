"""MicroPython files for tests: made here from nothing, byte by byte, in the form of the official ones.

They have a bootloader's and an application's header, checksums, digests and MicroPython's banner, and no code: they run
nowhere. Run as a program, it writes minimal-esp32.bin beside itself, which is kept so that a command can be tried.
"""

import hashlib
import struct
from pathlib import Path

KEPT = Path(__file__).with_name("minimal-esp32.bin")
CHIP_IDS = {"esp32": 0, "esp32s3": 9, "esp32c3": 5, "esp32c6": 13, "esp32s2": 2}
BOOTLOADER_AT = {"esp32": 0x1000}
# Where flash is mapped for constants, and a piece of the memory that a bootloader runs from
MAPPED = {"esp32": 0x3F400020, "esp32s3": 0x3C000020, "esp32c3": 0x3C000020, "esp32c6": 0x42000020}
MEMORY = {"esp32": 0x3FFF0018, "esp32s3": 0x3FCD0108, "esp32c3": 0x3FCD5810, "esp32c6": 0x4086C410}
STOCK_ROWS = [
    (1, 2, 0x9000, 0x6000, b"nvs"),
    (1, 1, 0xF000, 0x1000, b"phy_init"),
    (0, 0, 0x10000, 0x1F0000, b"factory"),
    (1, 129, 0x200000, 0x200000, b"vfs"),
]


def image(chip_id: int, segments: list[tuple[int, bytes]], flash_mb: int = 4) -> bytes:
    """An ESP32 image: header, segments, checksum, SHA-256."""
    size_code = {2: 1, 4: 2, 8: 3, 16: 4}[flash_mb]
    body = struct.pack("<BBBBI", 0xE9, len(segments), 2, size_code << 4, segments[0][0])
    body += struct.pack("<BBBBHBHH4xB", 0xEE, 0, 0, 0, chip_id, 0, 0, 0xFFFF, 1)
    check = 0xEF
    for address, data in segments:
        body += struct.pack("<II", address, len(data)) + data
        for byte in data:
            check ^= byte
    body += bytes(15 - len(body) % 16) + bytes([check])
    return body + hashlib.sha256(body).digest()


def banner(version: str) -> bytes:
    """What MicroPython says it is."""
    return f"MicroPython v{version} on 2024-11-29; made for Hadeda's tests, runs nowhere".encode()


def application(chip: str, text: bytes, padding: int = 0) -> bytes:
    """An application whose constants hold an application descriptor and `text`."""
    descriptor = struct.pack(
        "<II8x32s32s16s16s32s32s80x", 0xABCD5432, 0, b"v1.24.1", b"micropython", b"", b"", b"", b""
    )
    constants = (descriptor + text + bytes(padding)).ljust(1024, b"\0")
    constants += bytes(-len(constants) % 4)
    return image(CHIP_IDS[chip], [(MAPPED.get(chip, 0x3F000020), constants)])


def bootloader(chip: str) -> bytes:
    return image(CHIP_IDS[chip], [(MEMORY.get(chip, 0x3FFE0000), bytes(range(64)))])


def partition_table(rows: list[tuple[int, int, int, int, bytes]] | None = None) -> bytes:
    packed = b"".join(struct.pack("<HBBII16sI", 0x50AA, *row, 0) for row in rows or STOCK_ROWS)
    return (packed + b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(packed).digest()).ljust(0x1000, b"\xff")


def firmware(chip: str = "esp32", version: str = "1.24.1", text: bytes | None = None, padding: int = 0) -> bytes:
    """A whole file, as MicroPython publishes them: from the bootloader on."""
    start = BOOTLOADER_AT.get(chip, 0)
    head = bootloader(chip).ljust(0x8000 - start, b"\xff") + partition_table()
    return head.ljust(0x10000 - start, b"\xff") + application(chip, banner(version) if text is None else text, padding)


if __name__ == "__main__":
    KEPT.write_bytes(firmware())
