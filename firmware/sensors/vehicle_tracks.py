"""Turns a radar's frames of nameless targets into vehicles, each of them once.

A target belongs to the track that was where it would have come from: same direction, near the place that the track's
speed foretells, at about that speed. A track that is not seen for a while has ended, and is a passage if it was seen
often enough to be a vehicle and not a reflection. Distances in mm, speeds in km/h, all integers.
"""

from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ports.clock import Clock

TRACKS_MAX = 12
# Radars lose a target for a moment behind a lamp post or another car
GAP_MS = 1500
SEEN_MIN = 3
# How far a target may be from where its track foretells it, in mm: distances come in whole metres
_NEAR_MM = const(6000)
_NEAR_KMH = const(15)
# What one km/h of difference weighs against one mm, when two tracks want the same target
_WEIGHT_KMH = const(200)
_WEIGHT_DEGREE = const(100)


class Track:
    """One vehicle while it is seen."""

    def __init__(self, angle: int, distance_mm: int, towards: bool, speed_kmh: int, at_ms: int) -> None:
        self.angle = angle
        self.distance_mm = distance_mm
        self.towards = towards
        self.last_kmh = speed_kmh
        self.at_ms = at_ms
        self.seen = 1
        self.total_kmh = speed_kmh
        self.taken = True

    def follow(self, angle: int, distance_mm: int, speed_kmh: int, at_ms: int) -> None:
        self.angle = angle
        self.distance_mm = distance_mm
        self.last_kmh = speed_kmh
        self.at_ms = at_ms
        self.seen += 1
        self.total_kmh += speed_kmh
        self.taken = True

    def speed_kmh(self) -> int:
        """The mean of all speeds seen, rounded."""
        return (2 * self.total_kmh + self.seen) // (2 * self.seen)


class Tracks:
    """All vehicles in sight, in bounded memory."""

    def __init__(self, clock: "Clock") -> None:
        self._clock = clock
        self._open: list[Track] = []
        self._ended: list[tuple[bool, int]] = []

    def see(self, targets: "list[tuple[int, int, int, int]]", at_ms: int) -> None:
        """Take in one frame: (angle in degrees, distance in m, 1 for towards, speed in km/h) of each target."""
        self._end_silent(at_ms)
        for track in self._open:
            track.taken = False
        left = list(targets)
        while left:
            best = None
            best_error = -1
            for target in left:
                for track in self._open:
                    error = self._error(track, target, at_ms)
                    if error >= 0 and (best is None or error < best_error):
                        best = (track, target)
                        best_error = error
            if best is None:
                break
            track, target = best
            track.follow(target[0], target[1] * 1000, target[3], at_ms)
            left.remove(target)
        for target in left:
            self._begin(target, at_ms)

    def ended(self) -> "list[tuple[bool, int]]":
        """[(towards, speed in km/h)] of the vehicles that went by since the last call, each once."""
        self._end_silent(self._clock.ticks_ms())
        ended = self._ended
        self._ended = []
        return ended

    def _error(self, track: Track, target: "tuple[int, int, int, int]", at_ms: int) -> int:
        """How badly a target fits a track, -1 when it cannot be the same vehicle."""
        if track.taken or track.towards != (target[2] == 1):
            return -1
        moved_mm = track.last_kmh * self._clock.ticks_diff(at_ms, track.at_ms) * 10 // 36
        foretold_mm = track.distance_mm - moved_mm if track.towards else track.distance_mm + moved_mm
        off_mm = abs(target[1] * 1000 - foretold_mm)
        off_kmh = abs(target[3] - track.last_kmh)
        if off_mm > _NEAR_MM or off_kmh > _NEAR_KMH:
            return -1
        return off_mm + off_kmh * _WEIGHT_KMH + abs(target[0] - track.angle) * _WEIGHT_DEGREE

    def _begin(self, target: "tuple[int, int, int, int]", at_ms: int) -> None:
        if len(self._open) == TRACKS_MAX:
            # No room: the one not seen for the longest time has ended
            self._end(min(self._open, key=lambda track: -self._clock.ticks_diff(at_ms, track.at_ms)))
        self._open.append(Track(target[0], target[1] * 1000, target[2] == 1, target[3], at_ms))

    def _end_silent(self, now_ms: int) -> None:
        for track in list(self._open):
            if self._clock.ticks_diff(now_ms, track.at_ms) > GAP_MS:
                self._end(track)

    def _end(self, track: Track) -> None:
        self._open.remove(track)
        if track.seen >= SEEN_MIN and len(self._ended) < 2 * TRACKS_MAX:
            self._ended.append((track.towards, track.speed_kmh()))
