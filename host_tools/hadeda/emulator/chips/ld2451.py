"""Hi-Link HLK-LD2451 (24 GHz vehicle radar), frame level, on a UART at 115200 baud, 8N1.

Source: Hi-Link "HLK-LD2451 serial communication protocol", read in the transcriptions that public projects carry (the
PDF itself could not be opened). Numbers are little-endian.

    data      F4 F3 F2 F1  length  [targets  alarm  5 bytes a target]  F8 F7 F6 F5
              target: angle + 0x80 in degrees, distance in m, direction (1 approaching, 0 receding), speed in km/h, SNR
              with no target: length 0, nothing between length and tail
    command   FD FC FB FA  length  command (2)  value               04 03 02 01
    answer    FD FC FB FA  length  command | 0x0100  status (2)  value  04 03 02 01      status 0 = done, 1 = failed

    00FF enable configuration, value 0001: answers protocol version 1 and buffer size 0x40; no data until 00FE ends it
    0002 | 0012  set | read: farthest distance (10..255 m), direction (0 receding, 1 approaching, 2 both),
                 lowest speed (0..120 km/h), no-target delay (s)
    0003 | 0013  set | read: detections in a row before a target is reported, SNR threshold (3..8, 0 = 4), 0, 0
    00A0 version: type 0x2451, major, minor          00A1 baud rate, index 1..8, valid after a restart
    00A2 factory settings, valid after a restart     00A3 restart, after the answer

Settings survive a restart. **Factory settings report approaching vehicles only**: who wants both sends 0002.

Contradicted or not found, so chosen: the manual's table says direction 1 = approaching, its worked example reads the
other way round; the table is followed, as projects do that ran on hardware. Frames come at 10 Hz, the rate of the
sister part LD2450, also with no target (some units are reported to fall silent instead). The no-target delay holds the
alarm: for so long after the last approaching target, frames without targets carry length 2, count 0 and alarm 1.
Commands outside configuration mode go unanswered; a value out of range or an unknown command answers status 1; a
restart takes 1 s. At most 5 targets a frame. The factory values themselves come from published components.

The scene. The radar looks along the road. Approaching vehicles are on the near lane, receding ones on the far lane; a
passage at time t is the moment the vehicle is **abreast of the sensor**, so an approaching car is seen for some seconds
before t, until it leaves the beam sideways (20 degrees) close by, and a receding one for some seconds after. Speed is
what Doppler sees, the part of the speed along the line of sight. SNR falls with distance; a bike's is 10 below a
car's, so it shows later and is lost in some frames; every target misses 2 % of the frames. **Pedestrians are never
seen**: the part is made for vehicles, and a walker's echo and speed stay below its thresholds.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hadeda.emulator.chips.base import OnEvent, Surroundings
from hadeda.scenario import Passage

FRAME_INTERVAL_S = 0.1
MOST_TARGETS = 5
FARTHEST_M = 100

_DATA_HEADER, _DATA_TAIL = bytes.fromhex("f4f3f2f1"), bytes.fromhex("f8f7f6f5")
_COMMAND_HEADER, _COMMAND_TAIL = bytes.fromhex("fdfcfbfa"), bytes.fromhex("04030201")
_LONGEST_COMMAND = 64
_BAUDRATES = (9600, 19200, 38400, 57600, 115200, 230400, 256000, 460800)
_VERSION = bytes.fromhex("5124 0101 10051524")
_RESTART_S = 1.0
_VALID_AFTER_RESTART = (0x00A1, 0x00A2)
_MISSED = 0.02
_BEAM_DEGREES = 20.0
_LANE_M = {"approaching": 3.0, "receding": 6.0}
# SNR at 100 m; it falls by 25 a decade of distance.
_SNR_AT_100_M = {"car": 9.0, "heavy": 13.0, "bike": -1.0}
# Nobody is in the beam for longer than this: 100 m at walking pace.
_LONGEST_TRACK_S = 180.0
_LOAD_S = 60.0
# A line nobody reads keeps nothing: after a longer silence only what is being said now is heard.
_BACKLOG_S = 10.0


@dataclass(frozen=True)
class Settings:
    """What the module keeps over a restart; the defaults are the factory's."""

    farthest_m: int = FARTHEST_M
    direction: int = 1
    lowest_kmh: int = 0
    no_target_delay_s: int = 1
    detections: int = 1
    threshold: int = 4
    baudrate: int = 115200


@dataclass(frozen=True)
class Target:
    """One vehicle as one frame shows it."""

    angle_degrees: int
    distance_m: int
    approaching: bool
    speed_kmh: int
    snr: int

    def encoded(self) -> bytes:
        """Its five bytes."""
        return bytes([self.angle_degrees + 0x80, self.distance_m, self.approaching, self.speed_kmh, self.snr])


class Track:
    """One vehicle on its way through the beam."""

    def __init__(self, passage: Passage) -> None:
        self.passage = passage
        self.approaching = passage.direction == "approaching"
        self.in_a_row = 0
        self.announced = False
        self._lane_m = _LANE_M[passage.direction]
        self._speed_ms = passage.speed_kmh / 3.6
        nearest, farthest = self._lane_m / math.tan(math.radians(_BEAM_DEGREES)), FARTHEST_M
        times = sorted(passage.time_s + self._sign * metres / self._speed_ms for metres in (nearest, farthest))
        self.enters_s, self.leaves_s = times

    @property
    def _sign(self) -> int:
        return -1 if self.approaching else 1

    def seen(self, at: float, rng: random.Random) -> Target:
        """The target at a moment in the beam, as measured."""
        along_m = self._sign * (at - self.passage.time_s) * self._speed_ms
        distance_m = math.hypot(along_m, self._lane_m)
        angle = self._sign * math.degrees(math.atan2(self._lane_m, along_m))
        speed_kmh = self.passage.speed_kmh * along_m / distance_m
        snr = _SNR_AT_100_M[self.passage.kind] - 25 * math.log10(distance_m / 100)
        return Target(
            angle_degrees=round(angle + rng.gauss(0, 1)),
            distance_m=min(FARTHEST_M, max(1, round(distance_m + rng.gauss(0, 0.4)))),
            approaching=self.approaching,
            speed_kmh=min(120, max(1, round(speed_kmh + rng.gauss(0, 0.4)))),
            snr=min(255, max(0, round(snr + rng.gauss(0, 1)))),
        )


class Ld2451:
    """One HLK-LD2451, powered from the moment it is first spoken to or asked."""

    def __init__(self, world: Surroundings, seed: int = 0) -> None:
        self.on_event: OnEvent | None = None
        self.settings = Settings()
        self._kept = self.settings
        self.baudrate = self.settings.baudrate
        self._world = world
        self._seed = seed
        self._inbox = bytearray()
        self._answers: list[tuple[float, bytes]] = []
        self._configuring = False
        self._frame_number: int | None = None
        self._tracks: list[Track] = []
        self._loaded_until = -math.inf
        self._alarm_until = -math.inf

    def receive(self, data: bytes, now: float) -> None:
        """Commands, in any pieces; what is not a whole command is passed over."""
        self._speak_until(now)
        self._inbox += data
        for command, value in _commands(self._inbox):
            self._execute(command, value, now)

    def next_transmission(self, now: float) -> float | None:
        """When the next answer or data frame is due."""
        self._power(now)
        due = [at for at, _ in self._answers]
        if not self._configuring:
            due.append(self._next_frame_s)
        return max(now, min(due)) if due else None

    def transmit(self, now: float) -> bytes:
        """Answers and data frames due up to now."""
        self._speak_until(now)
        said = b"".join(data for at, data in self._answers if at <= now)
        self._answers = [entry for entry in self._answers if entry[0] > now]
        return said

    @property
    def _next_frame_s(self) -> float:
        return (self._frame_number or 0) * FRAME_INTERVAL_S

    def _power(self, now: float) -> None:
        if self._frame_number is None:
            self._resume(now)

    def _resume(self, now: float) -> None:
        """Data frames go on with the first moment of the 10 Hz grid after now."""
        self._frame_number = math.floor(now / FRAME_INTERVAL_S) + 1

    def _speak_until(self, now: float) -> None:
        """Says the data frames due up to now."""
        self._power(now)
        if self._configuring:
            return
        self._answers = [entry for entry in self._answers if entry[0] >= now - _BACKLOG_S]
        if self._next_frame_s < now - _BACKLOG_S:
            self._resume(now - _BACKLOG_S)
        while self._next_frame_s <= now:
            at = self._next_frame_s
            self._answers.append((at, self._frame(at)))
            self._frame_number = (self._frame_number or 0) + 1

    def _frame(self, at: float) -> bytes:
        targets = self._targets(at)
        if any(target.approaching for target in targets):
            self._alarm_until = at + self.settings.no_target_delay_s
        alarm = at <= self._alarm_until
        content = b"".join(target.encoded() for target in targets)
        if targets or alarm:
            content = bytes([len(targets), alarm]) + content
        return _DATA_HEADER + len(content).to_bytes(2, "little") + content + _DATA_TAIL

    def _targets(self, at: float) -> list[Target]:
        """What a frame shows: the strongest targets that pass the settings."""
        if at >= self._loaded_until:
            self._load(at)
        tracks = [track for track in self._tracks if track.enters_s <= at < track.leaves_s]
        if not tracks:
            return []
        rng = random.Random(f"ld2451 {self._seed} {self._frame_number}")
        found: list[tuple[Track, Target]] = []
        for track in tracks:
            target = track.seen(at, rng)
            detected = rng.random() >= _MISSED and self._passes(target)
            track.in_a_row = track.in_a_row + 1 if detected else 0
            if detected and track.in_a_row >= self.settings.detections:
                found.append((track, target))
        found.sort(key=lambda entry: -entry[1].snr)
        for track, _ in found[:MOST_TARGETS]:
            self._announce(track, at)
        return [target for _, target in found[:MOST_TARGETS]]

    def _passes(self, target: Target) -> bool:
        wanted = self.settings
        return (
            target.distance_m <= wanted.farthest_m
            and wanted.direction in (2, int(target.approaching))
            and target.speed_kmh >= wanted.lowest_kmh
            and target.snr >= wanted.threshold
        )

    def _load(self, at: float) -> None:
        """Takes from the world who is in the beam at some time in the next minute; keeps who is already there."""
        self._loaded_until = at + _LOAD_S
        passages = self._world.passages(at - _LONGEST_TRACK_S, self._loaded_until + _LONGEST_TRACK_S)
        known = {track.passage: track for track in self._tracks}
        tracks = [known.get(passage) or Track(passage) for passage in passages if passage.kind in _SNR_AT_100_M]
        self._tracks = [track for track in tracks if track.leaves_s > at and track.enters_s < self._loaded_until]

    def _announce(self, track: Track, at: float) -> None:
        if self.on_event and not track.announced:
            passage = track.passage
            self.on_event(at, f"{passage.kind} {passage.direction} {passage.speed_kmh:.0f} km/h")
        track.announced = True

    def _execute(self, command: int, value: bytes, now: float) -> None:
        if command == 0x00FF and len(value) == 2:
            self._configuring = True
            self._answer(command, now, value=bytes.fromhex("0100 4000"))
        elif self._configuring and command == 0x00FE:
            self._answer(command, now)
            self._configuring = False
            self._resume(now)
        elif self._configuring and command == 0x00A3:
            self._answer(command, now)
            self._restart(now)
        elif self._configuring:
            answer = self._configure(command, value)
            self._answer(command, now, status=int(answer is None), value=answer or b"")

    def _configure(self, command: int, value: bytes) -> bytes | None:
        """Executes a command on the settings: the answer's value, None if it fails."""
        now = self.settings
        readings = {
            0x0012: bytes([now.farthest_m, now.direction, now.lowest_kmh, now.no_target_delay_s]),
            0x0013: bytes([now.detections, now.threshold, 0, 0]),
            0x00A0: _VERSION,
        }
        if command in readings:
            return readings[command]
        changed = _changed(self._kept, command, value)
        if changed is None:
            return None
        self._kept = changed
        if command not in _VALID_AFTER_RESTART:
            self.settings = replace(changed, baudrate=now.baudrate)
        return b""

    def _restart(self, now: float) -> None:
        self._configuring = False
        self.settings = self._kept
        self.baudrate = self.settings.baudrate
        self._alarm_until = -math.inf
        self._tracks = []
        self._loaded_until = -math.inf
        self._resume(now + _RESTART_S)

    def _answer(self, command: int, now: float, *, status: int = 0, value: bytes = b"") -> None:
        content = (command | 0x0100).to_bytes(2, "little") + status.to_bytes(2, "little") + value
        self._answers.append((now, _COMMAND_HEADER + len(content).to_bytes(2, "little") + content + _COMMAND_TAIL))


def _changed(settings: Settings, command: int, value: bytes) -> Settings | None:
    """The settings after a command that sets some; None if it does not, or its value is out of range."""
    if command == 0x0002 and len(value) == 4:
        farthest, direction, lowest, delay = value
        if farthest >= 10 and direction <= 2 and lowest <= 120:
            return replace(
                settings, farthest_m=farthest, direction=direction, lowest_kmh=lowest, no_target_delay_s=delay
            )
    elif command == 0x0003 and len(value) == 4:
        detections, threshold = value[0], value[1] or 4
        if 3 <= threshold <= 8:
            return replace(settings, detections=detections, threshold=threshold)
    elif command == 0x00A1 and len(value) == 2:
        index = int.from_bytes(value, "little")
        if 1 <= index <= len(_BAUDRATES):
            return replace(settings, baudrate=_BAUDRATES[index - 1])
    elif command == 0x00A2:
        return Settings()
    return None


def _commands(inbox: bytearray) -> Iterator[tuple[int, bytes]]:
    """Takes every whole command from the front of the inbox as (command, value)."""
    while (start := inbox.find(_COMMAND_HEADER)) >= 0:
        del inbox[:start]
        if len(inbox) < 6:
            return
        length = int.from_bytes(inbox[4:6], "little")
        if not 2 <= length <= _LONGEST_COMMAND:
            del inbox[0]
            continue
        if len(inbox) < 6 + length + 4:
            return
        frame = bytes(inbox[: 6 + length + 4])
        if frame.endswith(_COMMAND_TAIL):
            del inbox[: len(frame)]
            yield int.from_bytes(frame[6:8], "little"), frame[8:-4]
        else:
            del inbox[0]
    del inbox[: max(0, len(inbox) - 3)]


CHIP = Ld2451
