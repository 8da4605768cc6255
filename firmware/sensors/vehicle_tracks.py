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
        self.foretold_mm = distance_mm
        self.taken = True

    def foretell(self, elapsed_ms: int) -> None:
        """Where it should be, so long after it was seen last; it is free to be found there."""
        moved_mm = self.last_kmh * elapsed_ms * 10 // 36
        self.foretold_mm = self.distance_mm - moved_mm if self.towards else self.distance_mm + moved_mm
        self.taken = False

    def error(self, target: "tuple[int, int, int, int]") -> int:
        """How badly a target fits, -1 when it cannot be the same vehicle."""
        if self.taken or self.towards != (target[2] == 1):
            return -1
        off_mm = abs(target[1] * 1000 - self.foretold_mm)
        off_kmh = abs(target[3] - self.last_kmh)
        if off_mm > _NEAR_MM or off_kmh > _NEAR_KMH:
            return -1
        return off_mm + off_kmh * _WEIGHT_KMH + abs(target[0] - self.angle) * _WEIGHT_DEGREE

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
            track.foretell(self._clock.ticks_diff(at_ms, track.at_ms))
        left = list(targets)
        while left:
            found = None
            least = -1
            for target in left:
                for track in self._open:
                    error = track.error(target)
                    if error >= 0 and (found is None or error < least):
                        found = track
                        best = target
                        least = error
            if found is None:
                break
            found.follow(best[0], best[1] * 1000, best[3], at_ms)
            left.remove(best)
        for target in left:
            self._begin(target, at_ms)

    @property
    def following(self) -> bool:
        """Whether anybody is in sight."""
        return bool(self._open)

    def ended(self, at_ms: int) -> "list[tuple[bool, int]]":
        """[(towards, speed in km/h)] of the vehicles that went by since the last call, each once; it is `at_ms` now."""
        self._end_silent(at_ms)
        ended = self._ended
        self._ended = []
        return ended

    def _begin(self, target: "tuple[int, int, int, int]", at_ms: int) -> None:
        if len(self._open) == TRACKS_MAX:
            # No room: the one not seen for the longest time has ended
            self._end(min(self._open, key=lambda track: -self._clock.ticks_diff(at_ms, track.at_ms)))
        self._open.append(Track(target[0], target[1] * 1000, target[2] == 1, target[3], at_ms))

    def _end_silent(self, now_ms: int) -> None:
        at = 0
        while at < len(self._open):
            if self._clock.ticks_diff(now_ms, self._open[at].at_ms) > GAP_MS:
                self._end(self._open[at])
            else:
                at += 1

    def _end(self, track: Track) -> None:
        self._open.remove(track)
        if track.seen >= SEEN_MIN and len(self._ended) < 2 * TRACKS_MAX:
            self._ended.append((track.towards, track.speed_kmh()))
