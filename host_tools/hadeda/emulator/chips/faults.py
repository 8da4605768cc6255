"""Faults of chips and of the wires to them, put around any chip model.

The fault model. A fault is there from `start_s` until before `end_s` (board time; always, if not said), and the chip
behaves before and after. It acts on the wire only: the chip inside lives on and keeps its time.

On I2C:

    Nacking     nobody answers: unplugged, unpowered, wrong address. Every transaction raises Nack.
    Stalling    the chip holds the clock down. Every transaction raises BusHung.
    Corrupting  bits flip on the way to the board: one bit in the nth byte of each read, or in each byte by chance.

On a UART:

    Silent      the cable is off: nothing arrives, in either direction, and nothing is delivered later.
    Garbling    bits flip: one bit in the nth byte of each transmission, or in each byte by chance.
    Splitting   bytes arrive in small pieces with pauses, so that frames tear across reads. Nothing is lost.
    Garbage     noise bytes between transmissions; some of them look like the beginning of a frame.
    Dropping    bytes are lost by chance.

On a plain input:

    Cut         the cable is off: nobody holds the pin.
    Shorted     the pin is at ground for good: a welded contact, a crushed cable.
    Chattering  a loose clamp: every few hundredths of a second the cable is off, or not, by chance.

All chance is drawn from `seed`: the same seed and the same calls give the same faults.
"""

import math
import random
from collections.abc import Iterable
from typing import Generic, TypeVar

from hadeda.emulator.chips.base import BusHung, GpioChip, I2cChip, Nack, OnEvent, UartChip, WokenByTheLine

C = TypeVar("C", bound=I2cChip | UartChip | GpioChip)

_PIECE_PAUSE_S = 0.020
_LARGEST_PIECE = 7
_MOST_GARBAGE = 16
_CHATTER_S = 0.03
# First bytes of the frames our parts speak: what a parser must not fall for.
_TEMPTING = bytes([0x42, 0x4D, 0xF4, 0xF3, 0xFD, 0xFC])


class Period:
    """When a fault is there: start_s <= now < end_s."""

    def __init__(self, start_s: float = -math.inf, end_s: float = math.inf) -> None:
        self.start_s = start_s
        self.end_s = end_s

    def __contains__(self, now: float) -> bool:
        return self.start_s <= now < self.end_s


class _BitFlips:
    """Flips one bit of the nth byte, or one bit of each byte by chance."""

    def __init__(self, nth: int | None, probability: float, seed: int) -> None:
        self._nth = nth
        self._probability = probability
        self._rng = random.Random(f"bit flips {seed}")

    def of(self, data: bytes) -> bytes:
        return bytes(self._flip(place, byte) for place, byte in enumerate(data))

    def _flip(self, place: int, byte: int) -> int:
        hit = place == self._nth or (self._probability > 0 and self._rng.random() < self._probability)
        return byte ^ 1 << self._rng.randrange(8) if hit else byte


class _Fault(Generic[C]):
    """A chip with a fault before it in a period; itself such a chip."""

    def __init__(self, chip: C, start_s: float = -math.inf, end_s: float = math.inf, *, seed: int = 0) -> None:
        self.chip: C = chip
        self.period = Period(start_s, end_s)
        self.seed = seed

    @property
    def on_event(self) -> OnEvent | None:
        return self.chip.on_event

    @on_event.setter
    def on_event(self, callback: OnEvent | None) -> None:
        self.chip.on_event = callback


class _I2cFault(_Fault[I2cChip]):
    """Between an I2C chip and its bus."""

    def write(self, data: bytes, now: float) -> None:
        if now in self.period:
            self._before(now)
        self.chip.write(data, now)

    def read(self, count: int, now: float) -> bytes:
        if now not in self.period:
            return self.chip.read(count, now)
        self._before(now)
        return self._after(self.chip.read(count, now))

    def line_held_low(self, seconds: float, now: float) -> None:
        """Goes on to a chip that is woken so, whatever becomes of what is said to it."""
        if isinstance(self.chip, WokenByTheLine):
            self.chip.line_held_low(seconds, now)

    def _before(self, now: float) -> None:
        """What happens to every transaction before the chip sees it."""

    def _after(self, data: bytes) -> bytes:
        """What happens to the bytes read."""
        return data


class Nacking(_I2cFault):
    """Nobody acknowledges."""

    def _before(self, now: float) -> None:
        raise Nack(f"no acknowledgement at {now:.3f}")


class Stalling(_I2cFault):
    """The clock is held down for good."""

    def _before(self, now: float) -> None:
        raise BusHung(f"clock held down at {now:.3f}")


class Corrupting(_I2cFault):
    """Bits of the bytes read flip: in the nth byte of each read (from 0), or in each byte with `probability`."""

    def __init__(
        self,
        chip: I2cChip,
        start_s: float = -math.inf,
        end_s: float = math.inf,
        *,
        seed: int = 0,
        nth: int | None = None,
        probability: float = 0.0,
    ) -> None:
        super().__init__(chip, start_s, end_s, seed=seed)
        self._flips = _BitFlips(nth, probability, seed)

    def _after(self, data: bytes) -> bytes:
        return self._flips.of(data)


class _UartFault(_Fault[UartChip]):
    """Between a UART chip and its line."""

    def __init__(self, chip: UartChip, start_s: float = -math.inf, end_s: float = math.inf, *, seed: int = 0) -> None:
        super().__init__(chip, start_s, end_s, seed=seed)
        self._rng = random.Random(f"{type(self).__name__} {seed}")

    @property
    def baudrate(self) -> int:
        return self.chip.baudrate

    @baudrate.setter
    def baudrate(self, baudrate: int) -> None:
        self.chip.baudrate = baudrate

    def receive(self, data: bytes, now: float) -> None:
        self.chip.receive(data, now)

    def next_transmission(self, now: float) -> float | None:
        return self.chip.next_transmission(now)

    def transmit(self, now: float) -> bytes:
        data = self.chip.transmit(now)
        return self._after(data) if data and now in self.period else data

    def _after(self, data: bytes) -> bytes:
        """What happens to a transmission on the wire."""
        return data


class Silent(_UartFault):
    """The cable is off. What was said meanwhile is gone."""

    def receive(self, data: bytes, now: float) -> None:
        if now not in self.period:
            self.chip.receive(data, now)

    def next_transmission(self, now: float) -> float | None:
        soonest = self.chip.next_transmission(now)
        if soonest is None or soonest not in self.period:
            return soonest
        return self.period.end_s if math.isfinite(self.period.end_s) else None

    def transmit(self, now: float) -> bytes:
        if now in self.period:
            self.chip.transmit(now)
            return b""
        if now >= self.period.end_s:
            self.chip.transmit(math.nextafter(self.period.end_s, -math.inf))
            self.period = Period(math.inf, math.inf)
        return self.chip.transmit(now)


class Garbling(_UartFault):
    """Bits flip: in the nth byte of each transmission (from 0), or in each byte with `probability`."""

    def __init__(
        self,
        chip: UartChip,
        start_s: float = -math.inf,
        end_s: float = math.inf,
        *,
        seed: int = 0,
        nth: int | None = None,
        probability: float = 0.0,
    ) -> None:
        super().__init__(chip, start_s, end_s, seed=seed)
        self._flips = _BitFlips(nth, probability, seed)

    def _after(self, data: bytes) -> bytes:
        return self._flips.of(data)


class Splitting(_UartFault):
    """Bytes come in pieces of 1 to 7, each 20 ms after the one before."""

    def __init__(self, chip: UartChip, start_s: float = -math.inf, end_s: float = math.inf, *, seed: int = 0) -> None:
        super().__init__(chip, start_s, end_s, seed=seed)
        self._pieces: list[tuple[float, bytes]] = []

    def next_transmission(self, now: float) -> float | None:
        soonest = self.chip.next_transmission(now)
        if not self._pieces:
            return soonest
        waiting = max(now, self._pieces[0][0])
        return waiting if soonest is None else min(waiting, soonest)

    def transmit(self, now: float) -> bytes:
        data = self.chip.transmit(now)
        if now not in self.period:
            whole = b"".join(piece for _, piece in self._pieces) + data
            self._pieces = []
            return whole
        at = max(now, self._pieces[-1][0] + _PIECE_PAUSE_S) if self._pieces else now
        for piece in self._cut(data):
            self._pieces.append((at, piece))
            at += _PIECE_PAUSE_S
        due = [piece for at, piece in self._pieces if at <= now]
        del self._pieces[: len(due)]
        return b"".join(due)

    def _cut(self, data: bytes) -> Iterable[bytes]:
        while data:
            size = self._rng.randint(1, _LARGEST_PIECE)
            yield data[:size]
            data = data[size:]


class Garbage(_UartFault):
    """1 to 16 noise bytes before each transmission."""

    def _after(self, data: bytes) -> bytes:
        count = self._rng.randint(1, _MOST_GARBAGE)
        noise = bytes(self._rng.choice((self._rng.randrange(256), self._rng.choice(_TEMPTING))) for _ in range(count))
        return noise + data


class Dropping(_UartFault):
    """Each byte is lost with `probability`."""

    def __init__(
        self,
        chip: UartChip,
        start_s: float = -math.inf,
        end_s: float = math.inf,
        *,
        seed: int = 0,
        probability: float = 0.02,
    ) -> None:
        super().__init__(chip, start_s, end_s, seed=seed)
        self._probability = probability

    def _after(self, data: bytes) -> bytes:
        return bytes(byte for byte in data if self._rng.random() >= self._probability)


class _GpioFault(_Fault[GpioChip]):
    """On the wire to a plain input."""

    def level(self, now: float) -> bool | None:
        level = self.chip.level(now)
        return self._wire(level, now) if now in self.period else level

    def _wire(self, level: bool | None, now: float) -> bool | None:  # noqa: ARG002
        """What the pin sees of a level."""
        return level


class Cut(_GpioFault):
    """The cable is off."""

    def _wire(self, level: bool | None, now: float) -> bool | None:  # noqa: ARG002
        return None


class Shorted(_GpioFault):
    """The pin is at ground."""

    def _wire(self, level: bool | None, now: float) -> bool | None:  # noqa: ARG002
        return False


class Chattering(_GpioFault):
    """The cable is off and on, by chance."""

    def _wire(self, level: bool | None, now: float) -> bool | None:
        moment = math.floor(now / _CHATTER_S)
        return level if random.Random(f"chatter {self.seed} {moment}").random() < 0.5 else None
