"""The loader in a chip's ROM, in which a board is that starts with its BOOT button held: SLIP packets, flash, memory.

Usage: hand what comes in on the serial port to `receive`; what it returns goes out. `esptool`, unmodified, takes it for
a chip. Source: esptool's documentation, "Serial Protocol" (packets, status bytes, differences of the flasher stub).

What is made up: a program downloaded to RAM is never run. Whatever it is, it is taken for esptool's flasher stub, which
greets with OHAI, and from there on commands are answered as the stub answers them. Registers nobody needs read as 0,
as on a chip without security settings. The ESP32's ROM answers an unknown command eight times; here once.
"""

import hashlib
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hadeda.board.chips import Chip
from hadeda.emulator.flash import SECTOR, Flash

END, ESCAPE, ESCAPED_END, ESCAPED_ESCAPE = 0xC0, 0xDB, 0xDC, 0xDD
REQUEST, RESPONSE = 0, 1
FLASH_BEGIN, FLASH_DATA, FLASH_END = 0x02, 0x03, 0x04
MEM_BEGIN, MEM_END, MEM_DATA, SYNC, WRITE_REG, READ_REG = 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A
SPI_SET_PARAMS, SPI_ATTACH, CHANGE_BAUDRATE = 0x0B, 0x0D, 0x0F
DEFL_BEGIN, DEFL_DATA, DEFL_END, FLASH_MD5, SECURITY_INFO = 0x10, 0x11, 0x12, 0x13, 0x14
ERASE_FLASH, ERASE_REGION = 0xD0, 0xD1
BAD_MESSAGE, BAD_CHECKSUM, BAD_SIZE = 0x05, 0x07, 0x0B
SYNC_ANSWERS: Final = 8
ROM_VALUE: Final = 0x20120707  # what the ROM's answers carry; the stub's carry 0
CHECKSUM_SEED: Final = 0xEF
PACKET_MAX: Final = 1 << 17
MAGIC_AT: Final = 0x40001000  # a ROM word by which chips are told apart that do not say their number
MAGIC: Final = {"esp32": 0x00F01D83}
GREETING: Final = b"OHAI"
RDID: Final = 0x9F
READ_SFDP: Final = 0x5A
USER_COMMAND: Final = 1 << 18


@dataclass(frozen=True)
class SpiRegisters:
    """Where a chip has the controller of its flash: base, and the places of the user command, W0 and the trigger."""

    base: int
    usr2: int
    w0: int


SPI: Final = {
    "esp32": SpiRegisters(0x3FF42000, 0x24, 0x80),
    "esp32s3": SpiRegisters(0x60002000, 0x20, 0x58),
    "esp32c3": SpiRegisters(0x60002000, 0x20, 0x58),
    "esp32c6": SpiRegisters(0x60003000, 0x20, 0x58),
}


class Refused(Exception):
    """The command fails; `reason` is the status byte."""

    def __init__(self, reason: int) -> None:
        super().__init__(reason)
        self.reason = reason


class RomLoader:
    """`chip` in download mode, with `flash`; `is_stub` once a program was started from RAM."""

    def __init__(self, chip: Chip, flash: Flash) -> None:
        self.chip = chip
        self.flash = flash
        self.is_stub = False
        self.commands: list[int] = []  # all that were asked, for tests
        self._packet: bytearray | None = None
        self._escaped = False
        self._registers: dict[int, int] = {}
        self._security = struct.pack("<IB7sII", 0, 0, bytes(7), chip.image_id, 0)
        self._at = self._left = 0
        self._inflate = zlib.decompressobj()
        self._handlers: dict[int, Callable[[bytes], bytes]] = {
            READ_REG: self._read_register,
            WRITE_REG: self._write_registers,
            MEM_BEGIN: _nothing,
            MEM_DATA: self._memory_data,
            MEM_END: _nothing,
            SPI_SET_PARAMS: _nothing,
            SPI_ATTACH: _nothing,
            CHANGE_BAUDRATE: _nothing,
            FLASH_BEGIN: self._begin,
            FLASH_DATA: self._data,
            FLASH_END: _nothing,
            DEFL_BEGIN: self._begin_compressed,
            DEFL_DATA: self._compressed_data,
            DEFL_END: _nothing,
            FLASH_MD5: self._digest,
            SECURITY_INFO: self._security_info,
            ERASE_FLASH: self._erase_all,
            ERASE_REGION: self._erase_region,
        }

    def burn(self, registers: dict[int, int], flags: int = 0) -> None:
        """Burn eFuses: what they read as from now on, and what the chip says of its own security."""
        self._registers.update(registers)
        self._security = struct.pack("<IB7sII", flags, 0, bytes(7), self.chip.image_id, 0)

    def receive(self, data: bytes) -> bytes:
        """What was sent to the chip -> what the chip sends back."""
        answer = bytearray()
        for byte in data:
            packet = self._collect(byte)
            if packet:
                answer += self._answer(packet)
        return bytes(answer)

    def _collect(self, byte: int) -> bytes | None:
        """One byte of SLIP; a packet where it ends one."""
        if byte == END:
            packet, self._packet, self._escaped = self._packet, bytearray(), False
            return bytes(packet) if packet else None
        if self._packet is None or len(self._packet) >= PACKET_MAX:
            self._packet = None  # noise between packets, such as what a terminal sends
        elif byte == ESCAPE:
            self._escaped = True
        else:
            escapes = {ESCAPED_END: END, ESCAPED_ESCAPE: ESCAPE}
            self._packet.append(escapes.get(byte, byte) if self._escaped else byte)
            self._escaped = False
        return None

    def _answer(self, packet: bytes) -> bytes:
        if len(packet) < 8 or packet[0] != REQUEST:
            return b""
        command, size, check = struct.unpack_from("<xBHI", packet)
        body = packet[8:]
        self.commands.append(command)
        if command == SYNC:
            return self._response(SYNC, b"") * SYNC_ANSWERS
        try:
            if len(body) != size:
                raise Refused(BAD_SIZE)
            handler = self._known(command)
            if command in (MEM_DATA, FLASH_DATA, DEFL_DATA) and _checksum(body[16:]) != check & 0xFF:
                raise Refused(BAD_CHECKSUM)
            answer = self._response(command, handler(body))
        except Refused as refused:
            return self._response(command, b"", refused.reason)
        except (struct.error, zlib.error):
            return self._response(command, b"", BAD_SIZE)
        if command == MEM_END and struct.unpack_from("<I", body)[0] == 0:
            self.is_stub = True
            answer += _slip(GREETING)
        return answer

    def _known(self, command: int) -> Callable[[bytes], bytes]:
        """ROM and stub do not know the same commands, nor do all ROMs."""
        only_stub = command in (ERASE_FLASH, ERASE_REGION)
        if command not in self._handlers or (only_stub and not self.is_stub):
            raise Refused(BAD_MESSAGE)
        if command == SECURITY_INFO and self.chip.name in MAGIC:
            raise Refused(BAD_MESSAGE)
        return self._handlers[command]

    def _response(self, command: int, content: bytes, failure: int = 0) -> bytes:
        """`content` of READ_REG goes into the value, all other before the status."""
        value = 0 if self.is_stub else ROM_VALUE
        if command == READ_REG and len(content) == 4:
            value, content = int.from_bytes(content, "little"), b""
        status = bytes((bool(failure), failure)) + (b"" if self.is_stub else bytes(2))
        body = content + status
        return _slip(struct.pack("<BBHI", RESPONSE, command, len(body), value) + body)

    # --- registers ---------------------------------------------------------------------------------------------

    def _read_register(self, body: bytes) -> bytes:
        (address,) = struct.unpack_from("<I", body)
        if address == MAGIC_AT:
            return struct.pack("<I", MAGIC.get(self.chip.name, 0))
        return struct.pack("<I", self._registers.get(address, 0))

    def _write_registers(self, body: bytes) -> bytes:
        spi = SPI[self.chip.name]
        for address, value, mask, _delay_us in struct.iter_unpack("<IIII", body):
            self._registers[address] = self._registers.get(address, 0) & ~mask | value & mask
            if address == spi.base and value & USER_COMMAND:  # the controller has sent it when the bit is 0 again
                self._registers[address] = 0
                self._registers[spi.base + spi.w0] = self._spi(self._registers.get(spi.base + spi.usr2, 0) & 0xFF)
        return b""

    def _spi(self, command: int) -> int:
        """What the flash chip answers: it is a Winbond by its number, and knows SFDP."""
        if command == RDID:
            return 0xEF | 0x40 << 8 | (self.flash.size.bit_length() - 1) << 16
        return int.from_bytes(b"SFDP", "little") if command == READ_SFDP else 0

    def _security_info(self, _body: bytes) -> bytes:
        return self._security

    # --- memory and flash --------------------------------------------------------------------------------------

    def _memory_data(self, body: bytes) -> bytes:
        if len(body) < 16 or len(body) - 16 != struct.unpack_from("<I", body)[0]:
            raise Refused(BAD_SIZE)
        return b""

    def _begin(self, body: bytes) -> bytes:
        size, blocks, block_size, address = struct.unpack_from("<IIII", body)
        self._start(address, max(size, 0), blocks * block_size)
        return b""

    def _begin_compressed(self, body: bytes) -> bytes:
        """The stub is told the size, the ROM so many blocks to erase, in bytes."""
        size, _blocks, _block_size, address = struct.unpack_from("<IIII", body)
        self._inflate = zlib.decompressobj()
        self._start(address, size, size)
        return b""

    def _start(self, address: int, erase: int, room: int) -> None:
        first, end = address // SECTOR * SECTOR, -(-(address + erase) // SECTOR) * SECTOR
        if end > self.flash.size:
            raise Refused(BAD_SIZE)
        if erase:
            self.flash.erase(first, end - first)
        self._at, self._left = address, room

    def _data(self, body: bytes) -> bytes:
        self._program(body[16 : 16 + struct.unpack_from("<I", body)[0]])
        return b""

    def _compressed_data(self, body: bytes) -> bytes:
        self._program(self._inflate.decompress(body[16 : 16 + struct.unpack_from("<I", body)[0]]))
        return b""

    def _program(self, data: bytes) -> None:
        if len(data) > self._left or self._at + len(data) > self.flash.size:
            raise Refused(BAD_SIZE)
        if data:
            self.flash.program(self._at, data)
        self._at += len(data)
        self._left -= len(data)

    def _digest(self, body: bytes) -> bytes:
        address, size = struct.unpack_from("<II", body)
        if address + size > self.flash.size:
            raise Refused(BAD_SIZE)
        digest = hashlib.md5(self.flash.read(address, size))
        return digest.digest() if self.is_stub else digest.hexdigest().encode()

    def _erase_all(self, _body: bytes) -> bytes:
        self.flash.erase(0, self.flash.size)
        return b""

    def _erase_region(self, body: bytes) -> bytes:
        address, size = struct.unpack_from("<II", body)
        if address % SECTOR or size % SECTOR or address + size > self.flash.size:
            raise Refused(BAD_SIZE)
        self.flash.erase(address, size)
        return b""


def _nothing(_body: bytes) -> bytes:
    return b""


def _checksum(data: bytes) -> int:
    check = CHECKSUM_SEED
    for byte in data:
        check ^= byte
    return check


def _slip(packet: bytes) -> bytes:
    body = packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return bytes((END,)) + body + bytes((END,))
