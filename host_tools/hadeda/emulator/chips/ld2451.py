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
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from hadeda.emulator.chips.base import OnEvent, Surroundings
from hadeda.scenario import Passage

FRAME_INTERVAL_S = 0.1
MOST_TARGETS = 5
FARTHEST_M = 100

_DATA_HEADER, _DATA_TAIL = bytes.fromhex("f4f3f2f1"), bytes.fromhex("f8f7f6f5")
_EMPTY = _DATA_HEADER + bytes(2) + _DATA_TAIL
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
_MOST_KEPT = 4096  # bytes: ten seconds of full frames
# A target's bytes
_TARGET_SIZE = 5
_ANGLE, _DISTANCE, _DIRECTION, _SPEED, _SNR = range(_TARGET_SIZE)
_BY_SNR = itemgetter(_SNR)
# What a frame begins with, by its alarm and its number of targets
_FRONTS = [
    [_DATA_HEADER + bytes((2 + count * _TARGET_SIZE, 0, count, alarm)) for count in range(MOST_TARGETS + 1)]
    for alarm in (False, True)
]

Floats: TypeAlias = npt.NDArray[np.float64]


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


class Track:
    """One vehicle on its way through the beam."""

    def __init__(self, passage: Passage) -> None:
        self.passage = passage
        self.announced = False
        self._sign = -1 if passage.direction == "approaching" else 1
        self._lane_m = _LANE_M[passage.direction]
        self._speed_ms = passage.speed_kmh / 3.6
        nearest_m = self._lane_m / math.tan(math.radians(_BEAM_DEGREES))
        times = sorted(passage.time_s + self._sign * metres / self._speed_ms for metres in (nearest_m, FARTHEST_M))
        # Numbers of the first frame it is in, and of the first that it is in no more
        self.first, self.end = (math.ceil(time_s / FRAME_INTERVAL_S) for time_s in times)
        self._shown: tuple[Settings, list[bytes]] | None = None

    def shown(self, rng: np.random.RandomState, seed: int, settings: Settings) -> list[bytes]:
        """What each of its frames shows of it under these settings: five bytes, or none. Worked out once.

        `rng` is any, and seeded anew: making one takes longer than all the rest.
        """
        if self._shown is None or self._shown[0] is not settings:
            rng.seed(zlib.crc32(f"ld2451 {seed} {self.passage}".encode()))
            self._shown = settings, self._measured(rng, settings)
        return self._shown[1]

    def _measured(self, rng: np.random.RandomState, wanted: Settings) -> list[bytes]:
        passage, count = self.passage, self.end - self.first
        angle_noise, distance_noise, speed_noise, snr_noise = rng.standard_normal((4, count))
        along_m = self._sign * (np.arange(self.first, self.end) * FRAME_INTERVAL_S - passage.time_s) * self._speed_ms
        distance_m = np.hypot(along_m, self._lane_m)
        rows = np.empty((count, _TARGET_SIZE), np.uint8)
        rows[:, _ANGLE] = 0x80 + _whole(
            self._sign * np.degrees(np.arctan2(self._lane_m, along_m)) + angle_noise, -0x80, 0x7F
        )
        rows[:, _DISTANCE] = _whole(distance_m + 0.4 * distance_noise, 1, FARTHEST_M)
        rows[:, _DIRECTION] = passage.direction == "approaching"
        rows[:, _SPEED] = _whole(passage.speed_kmh * along_m / distance_m + 0.4 * speed_noise, 1, 120)
        rows[:, _SNR] = _whole(_SNR_AT_100_M[passage.kind] - 25 * np.log10(distance_m / 100) + snr_noise, 0, 255)
        detected = (
            (rng.random_sample(count) >= _MISSED)
            & (rows[:, _SNR] >= wanted.threshold)
            & (rows[:, _DISTANCE] <= wanted.farthest_m)
            & (rows[:, _SPEED] >= wanted.lowest_kmh)
            & ((wanted.direction == 2) | (rows[:, _DIRECTION] == wanted.direction))
        )
        for _ in range(wanted.detections - 1):  # one frame more in a row each time
            detected[1:] &= detected[:-1].copy()
            detected[0] = False
        data = rows.tobytes()
        return [
            data[at * _TARGET_SIZE : (at + 1) * _TARGET_SIZE] if seen else b""
            for at, seen in enumerate(detected.tolist())
        ]


def _whole(values: Floats, low: int, high: int) -> Floats:
    whole: Floats = np.minimum(np.maximum(np.rint(values), low), high)
    return whole


class Ld2451:
    """One HLK-LD2451, powered from the moment it is first spoken to or asked."""

    def __init__(self, world: Surroundings, seed: int = 0) -> None:
        self.on_event: OnEvent | None = None
        self.settings = Settings()
        self._kept = self.settings
        self.baudrate = self.settings.baudrate
        self._world = world
        self._seed = seed
        self._rng = np.random.RandomState()
        self._inbox = bytearray()
        self._said = bytearray()
        self._configuring = False
        self._frame_number: int | None = None
        self._tracks: list[Track] = []
        self._in_beam: list[tuple[Track, int, list[bytes]]] = []
        self._same_until = 0  # the frame until whose number nobody enters or leaves the beam
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
        if self._said:
            return now
        return None if self._configuring else max(now, self._next_frame_s)

    def transmit(self, now: float) -> bytes:
        """Answers and data frames due up to now."""
        self._speak_until(now)
        said = bytes(self._said)
        self._said.clear()
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
        if self._next_frame_s < now - _BACKLOG_S:
            self._said.clear()
            self._resume(now - _BACKLOG_S)
        number = self._frame_number or 0
        end = math.floor(now / FRAME_INTERVAL_S) + 1
        while (end - 1) * FRAME_INTERVAL_S > now:
            end -= 1
        while number < end:
            if number >= self._same_until:
                self._look(number)
            until = min(end, self._same_until)
            if self._in_beam or number * FRAME_INTERVAL_S <= self._alarm_until:
                self._said += b"".join(self._frames(number, until))
            else:
                self._said += _EMPTY * (until - number)
            number = until
        self._frame_number = number
        del self._said[:-_MOST_KEPT]

    def _look(self, number: int) -> None:
        """Who is in the beam from this frame on, and for how long that is so."""
        at = number * FRAME_INTERVAL_S
        if at >= self._loaded_until:
            self._load(at)
        here = [track for track in self._tracks if track.first <= number < track.end]
        self._in_beam = [(track, track.first, track.shown(self._rng, self._seed, self.settings)) for track in here]
        changes = [edge for track in self._tracks for edge in (track.first, track.end) if edge > number]
        self._same_until = min([math.ceil(self._loaded_until / FRAME_INTERVAL_S), *changes])

    def _frames(self, number: int, end: int) -> Iterator[bytes]:
        """The data frames from `number` on and before `end`, while nobody enters or leaves the beam."""
        shown = [found[number - first : end - first] for _, first, found in self._in_beam]
        for frame, seen in enumerate(zip(*shown, strict=True) if shown else [()] * (end - number), number):
            at = frame * FRAME_INTERVAL_S
            targets = [target for target in seen if target]
            if len(targets) > 1:
                targets.sort(key=_BY_SNR, reverse=True)
                del targets[MOST_TARGETS:]
            for target in targets:
                if target[_DIRECTION]:
                    self._alarm_until = at + self.settings.no_target_delay_s
            if self.on_event:
                for (track, _, _), target in zip(self._in_beam, seen, strict=True):
                    if target in targets:
                        self._announce(track, at)
            alarm = at <= self._alarm_until
            yield b"".join((_FRONTS[alarm][len(targets)], *targets, _DATA_TAIL)) if targets or alarm else _EMPTY

    def _load(self, at: float) -> None:
        """Takes from the world who is in the beam at some time in the next minute; keeps who is already there."""
        self._loaded_until = at + _LOAD_S
        passages = self._world.passages(at - _LONGEST_TRACK_S, self._loaded_until + _LONGEST_TRACK_S)
        known = {track.passage: track for track in self._tracks}
        tracks = [known.get(passage) or Track(passage) for passage in passages if passage.kind in _SNR_AT_100_M]
        first, end = (time_s / FRAME_INTERVAL_S for time_s in (at, self._loaded_until))
        self._tracks = [track for track in tracks if track.end > first and track.first < end]

    def _announce(self, track: Track, at: float) -> None:
        if self.on_event and not track.announced:
            passage = track.passage
            self.on_event(at, f"{passage.kind} {passage.direction} {passage.speed_kmh:.0f} km/h")
        track.announced = True

    def _execute(self, command: int, value: bytes, now: float) -> None:
        if command == 0x00FF and len(value) == 2:
            self._configuring = True
            self._answer(command, value=bytes.fromhex("0100 4000"))
        elif self._configuring and command == 0x00FE:
            self._answer(command)
            self._configuring = False
            self._resume(now)
        elif self._configuring and command == 0x00A3:
            self._answer(command)
            self._restart(now)
        elif self._configuring:
            answer = self._configure(command, value)
            self._answer(command, status=int(answer is None), value=answer or b"")

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
            self._same_until = 0
        return b""

    def _restart(self, now: float) -> None:
        self._configuring = False
        self.settings = self._kept
        self.baudrate = self.settings.baudrate
        self._alarm_until = -math.inf
        self._tracks = []
        self._loaded_until = -math.inf
        self._same_until = 0
        self._resume(now + _RESTART_S)

    def _answer(self, command: int, *, status: int = 0, value: bytes = b"") -> None:
        content = (command | 0x0100).to_bytes(2, "little") + status.to_bytes(2, "little") + value
        self._said += _COMMAND_HEADER + len(content).to_bytes(2, "little") + content + _COMMAND_TAIL


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
