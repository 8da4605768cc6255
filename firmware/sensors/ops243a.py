"""OmniPreSense OPS243-A, 24 GHz Doppler radar: whoever drives by becomes one passage with direction and speed.

Protocol: OmniPreSense UM-003-A and AN-010, lines of JSON. The radar tells how fast the strongest echo is and how strong
it is, several times a second while there is one, and no distance. So a vehicle is followed by its speed; that another
one came right behind it shows by the echo, which falls at once when who came near has gone by, and rises when somebody
new drives away. Who drives beside a stronger echo, at about its speed and the same way, is not seen.
"""

import json

from micropython import const

from envelope.labels import FAULT_BAD_FRAME, FAULT_NO_ANSWER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from node.sample import Output
    from ports.bus import Uart
    from ports.clock import Clock

PART = {"kind": "traffic", "channels": ()}

CLASS = "vehicle"

# km/h, JSON, with magnitude, the strongest echo only, both directions, from 10 km/h on (walkers are slower), 20 000
# samples a second (up to 224 km/h). Nothing is saved in its flash: a radar that lost its supply is told again
_SETTINGS = (b"UK", b"OJ", b"OM", b"O1", b"R|", b"R>10\r", b"S2")
_ASK_UNITS = b"U?"
_UNITS = "km-per-hr"
_UNIT = "kmph"
_FASTEST_KMH = const(250)

_LINE_MAX = const(160)
_BUFFER = const(512)
_READS = const(4)
_LISTEN_MS = const(250)
_SETTLE_MS = const(100)
_ANSWER_MS = const(1500)
# Between two tries to configure, and how long silence may mean an empty street
_RETRY_MS = const(10000)
_SILENT_MS = const(30000)

_TRACKS_MAX = const(8)
# How long a stronger echo may hide a vehicle without its becoming two
_GAP_MS = const(2500)
_SEEN_MIN = const(3)
_NEAR_KMH = const(15)
# An echo that is so many times weaker, or stronger, twice in a row is another vehicle's
_TIMES = const(4)


def open(_entry: "dict[str, Any]", bus: "Uart", clock: "Clock") -> "Ops243a":
    return Ops243a(bus, clock)


class Lines:
    """Whole lines out of whatever arrives; `bad` counts what was too long to be one."""

    def __init__(self) -> None:
        self._pending = b""
        self._skip = False
        self.bad = 0

    def feed(self, data: "bytes | memoryview") -> "list[bytes]":
        """The lines that are whole now, without their ends."""
        whole = []
        lines = (self._pending + bytes(data)).split(b"\n")
        self._pending = lines.pop()
        for line in lines:
            if self._skip or len(line) > _LINE_MAX:
                self.bad += not self._skip
                self._skip = False
            elif line.strip():
                whole.append(line.strip())
        if len(self._pending) > _LINE_MAX:
            self._pending = b""
            self.bad += not self._skip
            self._skip = True
        return whole


def content(line: bytes) -> "Any":
    """What a line of JSON says, None when it is none. It has no checksum: one digit may be wrong, in one of many."""
    if line[:1] == b"{" and line[-1:] != b"}":  # MicroPython's parser would not mind
        return None
    try:
        return json.loads(line)
    except (ValueError, TypeError):  # the latter for keys that can be none, on MicroPython
        return None


def number(value: "Any") -> float:
    """A number, written as one, as text or as the first of several; not a number when it is none."""
    if isinstance(value, list):
        value = value[0] if value else ""
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


class _Track:
    """One vehicle while it is seen."""

    def __init__(self, towards: bool, kmh: float, magnitude: float, at_ms: int) -> None:
        self.towards = towards
        self.total_kmh = self.last_kmh = kmh
        self.level = magnitude
        self.at_ms = at_ms
        self.seen = 1
        self._odd = 0

    def follow(self, kmh: float, magnitude: float, at_ms: int) -> bool:
        """False when this echo is the second that cannot be the same vehicle's."""
        weak, strong = (magnitude, self.level) if self.towards else (self.level, magnitude)
        self._odd = self._odd + 1 if weak * _TIMES < strong else 0
        if self._odd > 1:
            return False
        if not self._odd:
            self.level = (3 * self.level + magnitude) / 4
        self.total_kmh += kmh
        self.last_kmh = kmh
        self.at_ms = at_ms
        self.seen += 1
        return True


class Ops243a:
    """One radar."""

    def __init__(self, uart: "Uart", clock: "Clock") -> None:
        self._uart = uart
        self._clock = clock
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._lines = Lines()
        self._tracks: list[_Track] = []
        self._heard_ms = 0
        self._units: Any = None
        self._configured = False

    async def run(self, out: "Output") -> None:
        """Configure the radar, listen for ever, ask a silent radar whether it is there and still as it was told."""
        self._tracks = []
        self._heard_ms = self._clock.ticks_ms()
        self._configured = False
        until_retry_ms = 0
        while True:
            if until_retry_ms <= 0 and (not self._configured or self._silent()):
                self._configured = await self._configure(out)
                if not self._configured:
                    # Its silence must not be counted as an empty street, nor its numbers taken for km/h
                    out.fault(FAULT_NO_ANSWER)
                until_retry_ms = _RETRY_MS
            out.alive()
            await self._clock.sleep_ms(_LISTEN_MS)
            until_retry_ms -= _LISTEN_MS
            self._listen(out)
            self._end(self._clock.ticks_ms(), out)

    def _listen(self, out: "Output") -> None:
        """Take in what has arrived. A buffer that was full has lost something."""
        for _ in range(_READS):
            count = self._uart.read_now(self._buffer)
            for line in self._lines.feed(self._view[:count]):
                self._take(line, out)
            if count < _BUFFER:
                break
        else:
            self._lines.bad += 1
        if self._lines.bad:
            self._lines.bad = 0
            out.fault(FAULT_BAD_FRAME)

    def _take(self, line: bytes, out: "Output") -> None:
        """One line. A bare number, or another unit, comes from a radar that was not told yet, or forgot it."""
        said = content(line)
        if not isinstance(said, dict):
            self._lines.bad += self._configured
            self._configured = self._configured and said is None
            return
        self._heard_ms = self._clock.ticks_ms()
        self._units = said.get("Units", self._units)
        if "speed" not in said:
            return
        kmh = number(said["speed"])
        ours = said.get("unit", _UNIT) == _UNIT
        self._configured = self._configured and ours
        magnitude = number(said.get("magnitude", 0))
        if not ours or not -_FASTEST_KMH <= kmh <= _FASTEST_KMH or not 0 <= magnitude < 1e9:
            self._lines.bad += 1
        elif kmh and self._configured:
            towards = kmh > 0 and said.get("direction") != "outbound"
            self._see(towards, abs(kmh), magnitude, out)

    def _see(self, towards: bool, kmh: float, magnitude: float, out: "Output") -> None:
        now = self._clock.ticks_ms()
        self._end(now, out)
        found = None
        for track in self._tracks:
            off_kmh = abs(track.last_kmh - kmh)
            nearest = found is None or off_kmh < abs(found.last_kmh - kmh)
            if nearest and track.towards == towards and off_kmh <= _NEAR_KMH:
                found = track
        if found is not None:
            if found.follow(kmh, magnitude, now):
                return
            self._passed(found, out)
        elif len(self._tracks) == _TRACKS_MAX:
            self._passed(self._tracks[0], out)
        self._tracks.append(_Track(towards, kmh, magnitude, now))

    def _end(self, now_ms: int, out: "Output") -> None:
        for track in list(self._tracks):
            if self._clock.ticks_diff(now_ms, track.at_ms) > _GAP_MS:
                self._passed(track, out)

    def _passed(self, track: _Track, out: "Output") -> None:
        """It has gone by: a passage, if it was seen often enough to be a vehicle and not a reflection."""
        self._tracks.remove(track)
        if track.seen >= _SEEN_MIN:
            speed_kmh = int(track.total_kmh / track.seen + 0.5)
            out.passage(CLASS, "approaching" if track.towards else "receding", speed_kmh)

    def _silent(self) -> bool:
        return self._clock.ticks_diff(self._clock.ticks_ms(), self._heard_ms) > _SILENT_MS

    async def _configure(self, out: "Output") -> bool:
        """Tell it everything it has to do, if it is not known to do so; False when it does not say its units are so."""
        for setting in () if self._configured else _SETTINGS:
            self._uart.write(setting)
            await self._clock.sleep_ms(_SETTLE_MS)
            self._listen(out)
        self._units = None
        self._uart.write(_ASK_UNITS)
        for _ in range(_ANSWER_MS // _SETTLE_MS):
            await self._clock.sleep_ms(_SETTLE_MS)
            self._listen(out)
            if self._units is not None:
                return bool(self._units == _UNITS)
        return False
