"""Microchip ATECC608A or B: makes P-256 keys, keeps them and signs with them, over I2C at 0x60.

Sources: data sheet of the ATECC608A-TNGTLS, sections 5.2.3 (Sign) and 7.1 (waking); packets, status bytes and the other
commands as public drivers quote the ATECC508A complete data sheet (DS20005927A). Chips sleep until the data line is low
for 60 us, and fall asleep by themselves 1.3 s after they woke: every method here wakes the chip, does one thing in a
quarter of a second, and puts it to sleep.

Adafruit's driver (adafruit-circuitpython-atecc 1.3.2) does not serve: it checks what the chip answers by `assert`, of
which mpy-cross -O3 leaves nothing, takes the four bytes that refuse a command for a broken long answer, so that nobody
learns what was wrong, sleeps the longest time of each command instead of asking, wakes the chip in the middle of
commands, locks without comparing what it locks, and is 4.9 KB compiled where this is 1.4.
"""

import errno

from micropython import const

from envelope.errors import FaultDetected
from envelope.labels import FAULT_BAD_FRAME, FAULT_BUS_HUNG, FAULT_IMPLAUSIBLE, FAULT_NO_ANSWER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SLOTS = const(4)  # for keys of ours: the current identity's, a re-key's, an enrolment's, and one for the next

_ADDRESS = const(0x60)
_EVERYBODY = const(0)  # an address that holds the data line low
_SLEEP = b"\x01"
_COMMAND = b"\x03"
_AWAKE = b"\x04\x11\x33\x43"
_WAKE_MS = const(2)
_WAKES_MAX = const(3)
# The longest command takes 115 ms
_POLL_MS = const(5)
_POLLS_MAX = const(50)

_NONCE = const(0x16)
_GEN_KEY = const(0x40)
_SIGN = const(0x41)
_FIXED = const(3)
_NEW_KEY = const(4)
_EXTERNAL = const(0x80)


class ElementFault(FaultDetected):
    """The chip did not do what it was asked; `kind` is one of labels.FAULT_*."""

    def __init__(self, kind: int, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def crc16(data: "bytes | memoryview") -> bytes:
    """As the chip computes it: polynomial 0x8005, least significant bits first, the low byte first."""
    crc = 0
    for byte in data:
        for bit in range(8):
            top = crc >> 15 ^ byte >> bit & 1
            crc = crc << 1 & 0xFFFF
            if top:
                crc ^= 0x8005
    return crc.to_bytes(2, "little")


class Atecc608:
    """One chip. `i2c` is a machine.I2C at 100 kHz, `wait_ms` blocks. Every method raises ElementFault."""

    def __init__(self, i2c: "Any", wait_ms: "Callable[[int], None]") -> None:
        self._i2c = i2c
        self._wait_ms = wait_ms

    def make_key(self, slot: int) -> bytes:
        """A new private key in the slot; its public key, x and y."""
        return self.run((_GEN_KEY, _NEW_KEY, slot, b"", 64))

    def public_key(self, slot: int) -> bytes:
        """The public key of the slot's private one, x and y."""
        return self.run((_GEN_KEY, 0, slot, b"", 64))

    def sign(self, slot: int, digest: bytes) -> bytes:
        """The signature of a SHA-256 digest, r and s; s may be high."""
        return self.run((_NONCE, _FIXED, 0, digest, 1), (_SIGN, _EXTERNAL, slot, b"", 64))

    def run(self, *commands: "tuple[int, int, int, bytes, int]") -> bytes:
        """Carry out commands in one waking, each (opcode, mode, parameter, data, bytes it answers); the last answer."""
        self._wake()
        answer = b""
        try:
            for opcode, mode, parameter, data, size in commands:
                answer = self._carry_out(bytes((opcode, mode)) + parameter.to_bytes(2, "little") + data, size)
        finally:
            self._sleep()
        return answer

    def _wake(self) -> None:
        fault = ElementFault(FAULT_NO_ANSWER, "nobody at its address")
        for _ in range(_WAKES_MAX):
            self._sleep()  # what was said to another part may have woken it, and its time be nearly over
            try:
                self._i2c.writeto(_EVERYBODY, b"")
            except OSError:
                pass  # as it should be: nobody is called so
            self._wait_ms(_WAKE_MS)
            try:
                said = self._i2c.readfrom(_ADDRESS, len(_AWAKE))
                if said == _AWAKE:
                    return
                fault = ElementFault(FAULT_BAD_FRAME, "it does not wake as it should")
            except OSError as error:
                fault = _no_answer(error)
        raise fault

    def _sleep(self) -> None:
        try:
            self._i2c.writeto(_ADDRESS, _SLEEP)
        except OSError:
            pass  # then its watchdog does it

    def _carry_out(self, command: bytes, size: int) -> bytes:
        packet = bytes((3 + len(command),)) + command
        try:
            self._i2c.writeto(_ADDRESS, _COMMAND + packet + crc16(packet))
        except OSError as error:
            raise _no_answer(error)
        said = self._answer(3 + size)
        end = said[0] - 2
        if not 2 <= end <= 1 + size or said[end : end + 2] != crc16(said[:end]):
            raise ElementFault(FAULT_BAD_FRAME, "a damaged answer")
        answer = said[1:end]
        if len(answer) != size or (size == 1 and answer[0]):
            # 0xFF: what it heard was damaged; 0xEE: its time was nearly over; else it would not, or could not
            kind = FAULT_BAD_FRAME if answer[0] >= 0xEE else FAULT_IMPLAUSIBLE
            raise ElementFault(kind, f"command 0x{command[0]:02x} ends with status 0x{answer[0]:02x}")
        return answer

    def _answer(self, size: int) -> bytes:
        """What it says once it is done: so many bytes, of which those behind a shorter answer mean nothing."""
        error = OSError(errno.ETIMEDOUT)
        for _ in range(_POLLS_MAX):
            self._wait_ms(_POLL_MS)
            try:
                return bytes(self._i2c.readfrom(_ADDRESS, size))
            except OSError as silence:
                error = silence
                if error.args[0] == errno.ETIMEDOUT:
                    break
        raise _no_answer(error)


def _no_answer(error: OSError) -> ElementFault:
    hung = error.args[0] == errno.ETIMEDOUT
    return ElementFault(FAULT_BUS_HUNG if hung else FAULT_NO_ANSWER, f"no answer ({error!r})")
