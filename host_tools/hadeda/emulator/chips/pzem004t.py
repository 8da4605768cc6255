"""Peacefair PZEM-004T v3 (energy meter of one circuit), frame level: Modbus RTU on a UART at 9600 baud, 8N1.

Source: PZEM-004T V3.0 user manual, sections 1 (ranges and resolutions) and 2 (functions, registers, errors, CRC).
Words are big-endian, a value of two words has its low word first, the CRC (polynomial 0xA001) its low byte.

    read input registers     addr 04 start count CRC     addr 04 bytes words CRC
        0 voltage 0.1 V   1, 2 current 0.001 A   3, 4 power 0.1 W   5, 6 energy 1 Wh   7 frequency 0.1 Hz
        8 power factor 0.01   9 alarm: FFFF above the threshold, else 0
    read, write holding      addr 03 start count CRC, addr 06 register value CRC (answered with itself)
        1 alarm threshold 1 W   2 address 1..247
    reset the energy         addr 42 CRC                 the same
    an error                 addr (function | 80) code CRC: 1 function, 2 address, 3 data, 4 the meter itself

0xF8 is the address that every meter answers to; with a broadcast (0), nobody answers. A damaged frame goes unanswered.
The meter lives from the mains it measures: without them it is silent, and its register stays.

Not found, so chosen: an answer comes after 60 ms and carries the address asked for; a frame is what comes without a
pause of 20 ms; the register goes from 9 999 999 Wh to 0; the factory's address is 1 and its threshold 23 000 W.

The scene: ten street lamps of 60 W that burn from 18 to 6 o'clock, and 12 W by day and night. Voltage and frequency
wander a little with the seed.
"""

import random

from hadeda.emulator.chips.base import OnEvent, Surroundings

LAMPS_W, ALWAYS_W = 600.0, 12.0
LIT_FROM_S, LIT_UNTIL_S = 18 * 3600, 6 * 3600
ANSWER_S = 0.06
PAUSE_S = 0.02

_DAY_S = 86_400
_GENERAL, _BROADCAST = 0xF8, 0
_INPUT, _HOLDING, _WRITE, _RESET = 0x04, 0x03, 0x06, 0x42
_FUNCTION, _ADDRESS, _DATA = 1, 2, 3
_LENGTHS = {_INPUT: 8, _HOLDING: 8, _WRITE: 8, _RESET: 4}
_REGISTERS = 10
_WRAP_WH = 10_000_000
_POWER_FACTOR = 0.95
_LEAST_W = 0.4


class Pzem004t:
    """One meter on a circuit of its own."""

    def __init__(self, world: Surroundings, seed: int = 0) -> None:  # noqa: ARG002  a circuit is not in the world
        self.on_event: OnEvent | None = None
        self.baudrate = 9600
        self.mains = True
        self._holding = {1: 23_000, 2: 1}
        self._seed = seed
        self._offset_wh = float(random.Random(f"pzem004t {seed}").randrange(1_000_000))
        self._zero: float | None = None  # when the register was where the offset is
        self._inbox = b""
        self._heard = 0.0
        self._answers: list[tuple[float, bytes]] = []

    def receive(self, data: bytes, now: float) -> None:
        """A request, in any pieces that follow each other closely."""
        self._power(now)
        if now - self._heard > PAUSE_S:
            self._inbox = b""
        self._heard = now
        self._inbox += data
        length = _LENGTHS.get(self._inbox[1], 4) if len(self._inbox) > 1 else 2
        if len(self._inbox) >= length:
            frame, self._inbox = self._inbox[:length], b""
            self._execute(frame, now)

    def next_transmission(self, now: float) -> float | None:
        """When the answer is due; it speaks only when it is asked."""
        return max(now, self._answers[0][0]) if self._answers else None

    def transmit(self, now: float) -> bytes:
        """The answers due up to now."""
        said = b"".join(answer for at, answer in self._answers if at <= now)
        self._answers = [entry for entry in self._answers if entry[0] > now]
        return said if self.mains else b""

    def energy_wh(self, now: float) -> float:
        """What the register shows, before rounding down to whole Wh."""
        self._power(now)
        return (self._offset_wh + used_wh(self._zero or now, now)) % _WRAP_WH

    def _power(self, now: float) -> None:
        if self._zero is None:
            self._zero = now

    def _execute(self, frame: bytes, now: float) -> None:
        address, function = frame[0], frame[1]
        if not self.mains or frame[-2:] != crc(frame[:-2]) or address not in (self._holding[2], _GENERAL, _BROADCAST):
            return
        content = self._answer(function, frame, now)
        if self.on_event:
            self.on_event(now, f"function {function:#04x}")
        if address != _BROADCAST:
            answer = bytes([address]) + content
            self._answers.append((now + ANSWER_S, answer + crc(answer)))

    def _answer(self, function: int, frame: bytes, now: float) -> bytes:
        if function == _RESET:
            self._offset_wh, self._zero = 0.0, now
            return bytes([function])
        if function not in _LENGTHS:
            return bytes([function | 0x80, _FUNCTION])
        first, value = int.from_bytes(frame[2:4]), int.from_bytes(frame[4:6])
        if function == _WRITE:
            if first not in self._holding:
                return bytes([function | 0x80, _ADDRESS])
            if first == 2 and not 1 <= value <= 247:
                return bytes([function | 0x80, _DATA])
            self._holding[first] = value
            return frame[1:6]
        there = dict(enumerate(self._measured(now))) if function == _INPUT else self._holding
        wanted = range(first, first + value)
        if not value or not set(wanted) <= set(there):
            return bytes([function | 0x80, _ADDRESS])
        return bytes([function, 2 * value]) + b"".join(there[number].to_bytes(2) for number in wanted)

    def _measured(self, now: float) -> list[int]:
        rng = random.Random(f"pzem004t {self._seed} {now:.3f}")
        volts, hertz, watts = rng.gauss(230, 1.5), rng.gauss(50, 0.02), load_w(now)
        amperes = watts / volts / _POWER_FACTOR
        factor = _POWER_FACTOR if watts >= _LEAST_W else 0.0
        alarm = 0xFFFF if watts > self._holding[1] else 0
        return [
            round(volts * 10),
            *_words(round(amperes * 1000)),
            *_words(round(watts * 10)),
            *_words(int(self.energy_wh(now))),
            round(hertz * 10),
            round(factor * 100),
            alarm,
        ]


def load_w(at: float) -> float:
    """What the circuit draws at this moment."""
    second = at % _DAY_S
    return ALWAYS_W + (LAMPS_W if second >= LIT_FROM_S or second < LIT_UNTIL_S else 0.0)


def used_wh(start: float, end: float) -> float:
    """What the circuit uses from one moment to another."""
    lit_s = _lit_s(end) - _lit_s(start)
    return (ALWAYS_W * (end - start) + LAMPS_W * lit_s) / 3600


def _lit_s(at: float) -> float:
    """Seconds for which the lamps have burnt, from a midnight on."""
    days, second = divmod(at, _DAY_S)
    a_day = LIT_UNTIL_S + _DAY_S - LIT_FROM_S
    return days * a_day + min(second, LIT_UNTIL_S) + max(0.0, second - LIT_FROM_S)


def _words(value: int) -> tuple[int, int]:
    """Low word first."""
    return value & 0xFFFF, value >> 16


def crc(data: bytes) -> bytes:
    """The two bytes at the end of a frame."""
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register, low = register >> 1, register & 1
            if low:
                register ^= 0xA001
    return register.to_bytes(2, "little")


CHIP = Pzem004t
