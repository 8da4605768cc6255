"""What Sensirion's parts have in common on I2C: commands of 16 bits, words of 16 bits each with a CRC-8, busy times.

Source: SCD4x data sheet 1.3 (3.2, 3.3, 3.11), SPS30 data sheet 1.0 (6.2, 6.3) and SGP41 data sheet 1.0 (4.1 to 4.5),
which say the same. A part that is executing a command acknowledges nothing, nor does it acknowledge a command that it
does not have, or not in its mode.

Not found, so chosen: an argument whose CRC is wrong is not acknowledged either; bytes read after the end of an answer
are 0xFF; an answer stays readable until the next command.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from hadeda.emulator.chips.base import Nack, OnEvent


def crc8(data: bytes) -> int:
    """Polynomial 0x31, from 0xFF on, most significant bit first, nothing reflected, no final XOR: 0xBEEF has 0x92."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ 0x131 if crc & 0x80 else crc << 1
    return crc


def in_words(data: bytes) -> bytes:
    """Bytes as they are on the wire: a CRC after every two."""
    return b"".join(data[at : at + 2] + bytes([crc8(data[at : at + 2])]) for at in range(0, len(data), 2))


def words(*values: int) -> bytes:
    """Words on the wire, most significant byte first."""
    return in_words(struct.pack(f">{len(values)}H", *values))


def arguments(data: bytes) -> tuple[int, ...]:
    """The words after a command; raises Nack where a CRC is wrong or one is cut off."""
    plain = b"".join(data[at : at + 2] for at in range(0, len(data), 3))
    if len(data) % 3 or in_words(plain) != data:
        raise Nack("a word with a wrong CRC")
    return struct.unpack(f">{len(plain) // 2}H", plain)


@dataclass(frozen=True)
class Command:
    """What a part does on a command: called with the time and the words; returns the answer on the wire."""

    run: Callable[[float, tuple[int, ...]], bytes | None]
    busy_s: float = 0.0
    words: int = 0
    running: bool | None = None  # only while it measures (True), only while it does not (False)


class SensirionChip:
    """One part: `measuring` is its mode."""

    def __init__(self) -> None:
        self.on_event: OnEvent | None = None
        self._commands = self._command_table()
        self.measuring = False
        self._busy_until = float("-inf")
        self._answer: bytes | None = None

    def _command_table(self) -> dict[int, Command]:
        """What the part understands."""
        raise NotImplementedError

    def write(self, data: bytes, now: float) -> None:
        """A command and its words; the address alone is acknowledged by a part that is not busy."""
        if now < self._busy_until:
            raise Nack(f"busy until {self._busy_until:.3f}")
        if not data:
            return
        command = self._commands.get(int.from_bytes(data[:2], "big")) if len(data) >= 2 else None
        if command is None or (command.running is not None and command.running != self.measuring):
            raise Nack(f"no command {data[:2].hex()} in this mode")
        given = arguments(data[2:])
        if len(given) != command.words:
            raise Nack(f"command {data[:2].hex()} takes {command.words} words")
        self._busy_until = now + command.busy_s
        self._answer = command.run(now, given)

    def read(self, count: int, now: float) -> bytes:
        """The answer to the last command, as far as the board reads it."""
        if now < self._busy_until:
            raise Nack(f"busy until {self._busy_until:.3f}")
        if self._answer is None:
            raise Nack("nothing to say")
        return self._answer[:count].ljust(count, b"\xff")
