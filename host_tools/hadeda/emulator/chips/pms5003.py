"""Plantower PMS5003 (particulate matter), frame level, on a UART at 9600 baud, 8N1.

Source: Plantower PMS5003 series data manual, version 2.3 (2016-06-01): output result (modes and intervals), circuit
attentions (30 s warm-up), appendix I (the 32-byte frame), appendix II (commands). After power-up the part is in
active mode and speaks by itself: every 2.3 s while the air is steady, every 200 to 800 ms while it changes, faster
with higher concentration. Readings are stable 30 s after waking. Everything on the wire is big-endian; the last two
bytes are the sum of all bytes before.

    data frame   42 4D 00 1C  13 words  sum    PM1.0, 2.5, 10 for CF=1, the same for the atmosphere, number of
                                               particles beyond 0.3, 0.5, 1, 2.5, 5, 10 um in 0.1 L, version and error
    command      42 4D E1 00 00|01 sum         passive | active mode
                 42 4D E2 00 00 sum            one data frame, in passive mode
                 42 4D E4 00 00|01 sum         sleep | wake

Not in the manual (or only as "reserved"), taken from published captures of real units: E1 and E4-sleep answer with
42 4D 00 04 <command> <data> sum, waking does not; the last word is version 0x97 and error code 0.

Not found, so chosen: readings rise in a straight line during warm-up; "changing" means by more than 5 ug/m3 in 10 s;
waking returns to active mode; the first frame comes 2.3 s after power-up or waking; E2 in active mode and everything
but waking while asleep goes unanswered. CF=1 values equal the atmospheric ones up to 30 ug/m3 and grow to one and a
half times them at 100. Particle numbers follow the masses in fixed proportion. Noise: 0.5 ug/m3 and 1 %.
"""

import random
from collections.abc import Iterator

from hadeda.emulator.chips.base import OnEvent, Surroundings

STABLE_INTERVAL_S = 2.3
WARM_UP_S = 30.0

_HEADER = b"\x42\x4d"
_COMMAND_LENGTH = 7
_MODE, _READ, _SLEEP = 0xE1, 0xE2, 0xE4
_VERSION_AND_ERROR = 0x9700
_FAST_S = (0.8, 0.2)
_RANGE_UGM3 = 500
_CHANGE_UGM3, _CHANGE_OVER_S = 5.0, 10.0
# A line nobody reads keeps nothing: after a longer silence only what is being said now is heard.
_BACKLOG_S = 10.0
# Particles per ug/m3 that each size class, from 0.3..0.5 um to 5..10 um, adds in 0.1 L; first by PM1.0, then by the
# mass between PM1.0 and PM2.5, then by that between PM2.5 and PM10.
_PARTICLES = ((130, 0), (40, 0), (8, 1), (1, 2), (0.2, 2))


class Pms5003:
    """One PMS5003, powered from the moment it is first spoken to or asked."""

    def __init__(self, world: Surroundings, seed: int = 0, *, noise: bool = True) -> None:
        self.on_event: OnEvent | None = None
        self.baudrate = 9600
        self._world = world
        self._seed = seed
        self._noise = 1.0 if noise else 0.0
        self._inbox = bytearray()
        self._answers: list[tuple[float, bytes]] = []
        self._powered = False
        self._awake_since: float | None = None
        self._next_frame: float | None = None

    def receive(self, data: bytes, now: float) -> None:
        """Commands, in any pieces; what is not a command with a right sum is passed over."""
        self._power(now)
        self._inbox += data
        for command, value in _commands(self._inbox):
            self._execute(command, value, now)

    def next_transmission(self, now: float) -> float | None:
        """When the next answer or, in active mode, the next frame is due."""
        self._power(now)
        due = [at for at, _ in self._answers]
        if self._next_frame is not None:
            due.append(self._next_frame)
        return max(now, min(due)) if due else None

    def transmit(self, now: float) -> bytes:
        """Answers and frames due up to now."""
        self._power(now)
        said = [entry for entry in self._answers if now - _BACKLOG_S <= entry[0] <= now]
        self._answers = [entry for entry in self._answers if entry[0] > now]
        if self._next_frame is not None and self._next_frame < now - _BACKLOG_S:
            self._next_frame = now - _BACKLOG_S
        while self._next_frame is not None and self._next_frame <= now:
            said.append((self._next_frame, self._frame(self._next_frame)))
            self._next_frame += self._interval_s(self._next_frame)
        return b"".join(data for _, data in sorted(said, key=lambda entry: entry[0]))

    def _power(self, now: float) -> None:
        if not self._powered:
            self._powered = True
            self._wake(now)

    def _wake(self, now: float) -> None:
        self._awake_since = now
        self._next_frame = now + STABLE_INTERVAL_S

    def _execute(self, command: int, value: int, now: float) -> None:
        if self._awake_since is None:
            if (command, value) == (_SLEEP, 1):
                self._wake(now)
        elif command == _READ and self._next_frame is None:
            self._answers.append((now, self._frame(now)))
        elif command == _MODE and value in (0, 1):
            self._next_frame = now + STABLE_INTERVAL_S if value else None
            self._answers.append((now, _acknowledgement(command, value)))
        elif (command, value) == (_SLEEP, 0):
            self._awake_since = self._next_frame = None
            self._answers.append((now, _acknowledgement(command, value)))

    def _interval_s(self, at: float) -> float:
        pm2_5 = self._true_ugm3(at)[1]
        if abs(pm2_5 - self._true_ugm3(at - _CHANGE_OVER_S)[1]) <= _CHANGE_UGM3:
            return STABLE_INTERVAL_S
        slow, fast = _FAST_S
        return slow - (slow - fast) * min(1.0, pm2_5 / _RANGE_UGM3)

    def _true_ugm3(self, at: float) -> tuple[float, float, float]:
        """PM1.0, PM2.5 and PM10 as an ideal sensor would show them: the world's, risen as far as the warm-up is."""
        age = at - self._awake_since if self._awake_since is not None else 0.0
        risen = min(1.0, max(0.0, age / WARM_UP_S))
        air = self._world.air(at)
        return risen * air.pm1_0_ugm3, risen * air.pm2_5_ugm3, risen * air.pm10_ugm3

    def _frame(self, at: float) -> bytes:
        rng = random.Random(f"pms5003 {self._seed} {at:.3f}")
        atmosphere: list[int] = []
        for value in self._true_ugm3(at):
            shown = value + self._noise * (rng.gauss(0, 0.5) + value * rng.gauss(0, 0.01))
            atmosphere.append(max(round(shown), atmosphere[-1] if atmosphere else 0))
        words = [*(_standard(value) for value in atmosphere), *atmosphere, *_particles(*atmosphere), _VERSION_AND_ERROR]
        if self.on_event:
            pm1_0, pm2_5, pm10 = atmosphere
            self.on_event(at, f"PM1.0 {pm1_0}, PM2.5 {pm2_5}, PM10 {pm10} ug/m3")
        return _with_sum(_HEADER + b"\x00\x1c" + b"".join(min(word, 0xFFFF).to_bytes(2, "big") for word in words))


def _commands(inbox: bytearray) -> Iterator[tuple[int, int]]:
    """Takes every whole command from the front of the inbox as (command, value)."""
    while len(inbox) >= _COMMAND_LENGTH:
        frame = bytes(inbox[:_COMMAND_LENGTH])
        if frame.startswith(_HEADER) and frame == _with_sum(frame[:-2]):
            del inbox[:_COMMAND_LENGTH]
            yield frame[2], int.from_bytes(frame[3:5], "big")
        else:
            del inbox[0]


def _acknowledgement(command: int, value: int) -> bytes:
    return _with_sum(_HEADER + bytes([0, 4, command, value]))


def _with_sum(data: bytes) -> bytes:
    return data + (sum(data) & 0xFFFF).to_bytes(2, "big")


def _standard(atmosphere: int) -> int:
    """The CF=1 reading of an atmospheric one."""
    return round(atmosphere * (1 + 0.5 * min(1.0, max(0.0, (atmosphere - 30) / 70))))


def _particles(pm1_0: int, pm2_5: int, pm10: int) -> list[int]:
    """Numbers beyond 0.3, 0.5, 1, 2.5, 5 and 10 um in 0.1 L."""
    masses = (pm1_0, pm2_5 - pm1_0, pm10 - pm2_5)
    classes = [number * masses[mass] for number, mass in _PARTICLES]
    return [round(sum(classes[first:])) for first in range(len(classes))] + [0]


CHIP = Pms5003
