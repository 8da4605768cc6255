"""Turns a camera's frames of boxes into crossings of a line, each road user once.

The camera looks across the street and the line stands upright in the middle of its picture. A box belongs to the track
that foretells it best; a track that was seen often enough and has changed sides is one crossing, and never another,
wherever it goes afterwards. So a lost track can cost a crossing and cannot double one.

Detectors say several things of one road user. Of boxes that lie on each other the surest counts; a person on a bicycle
or motorcycle is its rider and no walker; what is a car in one frame and a truck in the next is one track, and its class
is what it was seen as most often. Positions are in thousandths of the picture's width and height, all integers.
Nothing is kept of a track once it has ended.
"""

from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ports.clock import Clock

    Box = tuple[int, int, int, int, int]  # class, x and y of the middle, width, height
    Crossing = tuple[str, bool]  # class, to the right

CLASSES = ("person", "bicycle", "motorcycle", "car", "bus", "truck")
PERSON = 0
_LAST_RIDDEN = const(2)

BOXES_MAX = 20
TRACKS_MAX = 12
CROSSINGS_MAX = 24
# A lamp post or another road user hides somebody; the node itself is deaf for about a second while it signs
GAP_MS = 1500
# Who is not seen any more at the edge he went to has left
LEFT_GAP_MS = 400
_EDGE = const(20)
SEEN_MIN = 3
LINE = 500
# Boxes tremble: no side within so far of the line, nor within an eighth of the box's width
_UNDECIDED = const(30)
# How far a box may be from where it is foretold, besides a share of the box itself
_NEAR = const(60)
# A rider's bicycle is missed now and then, hardly ever seen where there is none: a third of the sightings is enough
_RIDDEN_SHARE = const(3)


class Track:
    """One road user while it is seen."""

    def __init__(self, box: "Box", at_ms: int) -> None:
        self.ridden = box[0] <= _LAST_RIDDEN
        self.box = box
        self.at_ms = at_ms
        self.speed = 0  # thousandths of the picture a second, to the right
        self.seen = 0
        self.votes = [0] * len(CLASSES)
        self.side = 0  # where it was first seen: -1 left of the line, 1 right of it
        self.crossed = False
        self.taken = True
        self._see(box)

    def follow(self, box: "Box", at_ms: int, elapsed_ms: int) -> None:
        """The same road user, `elapsed_ms` after it was seen last."""
        if elapsed_ms > 0:
            speed = (box[1] - self.box[1]) * 1000 // elapsed_ms
            self.speed = speed if self.seen == 1 else (self.speed + speed) // 2
        self.box = box
        self.at_ms = at_ms
        self.taken = True
        self._see(box)

    def crossing(self) -> "Crossing | None":
        """The crossing, once: when it is on the other side than it came from."""
        side = _side(self.box)
        if self.crossed or self.seen < SEEN_MIN or side == 0 or side == self.side:
            return None
        self.crossed = True
        return CLASSES[self._class()], side > 0

    def leaving(self) -> int:
        """-1 or 1 when it is at the left or right edge and was going there, else 0."""
        half = self.box[3] // 2
        at_left = self.box[1] - half <= _EDGE
        at_right = self.box[1] + half >= 1000 - _EDGE
        if at_left == at_right:  # in the middle, or as wide as the picture
            return 0
        if at_left:
            return -1 if self.speed < 0 else 0
        return 1 if self.speed > 0 else 0

    def _see(self, box: "Box") -> None:
        self.seen += 1
        self.votes[box[0]] += 1
        if self.side == 0:
            self.side = _side(box)

    def _class(self) -> int:
        if self.ridden:
            first, last = PERSON + 1, _LAST_RIDDEN
        else:
            first, last = _LAST_RIDDEN + 1, len(CLASSES) - 1
        best = first
        for cls in range(first, last + 1):
            if self.votes[cls] > self.votes[best]:
                best = cls
        if self.ridden and self.votes[best] * _RIDDEN_SHARE < self.seen:
            return PERSON
        return best


class BoxTracks:
    """All road users in the picture, in bounded memory."""

    def __init__(self, clock: "Clock") -> None:
        self._clock = clock
        self._open: list[Track] = []
        self._crossings: list[Crossing] = []

    def see(self, boxes: "list[Box]", at_ms: int) -> None:
        """Take in one frame: its boxes, the surest first."""
        self._end_silent(at_ms)
        for track in self._open:
            track.taken = False
        left = one_each(boxes[:BOXES_MAX])
        while left:
            best = None
            best_error = -1
            for box in left:
                for track in self._open:
                    error = self._error(track, box, at_ms)
                    if error >= 0 and (best is None or error < best_error):
                        best = (track, box)
                        best_error = error
            if best is None:
                break
            track, box = best
            left.remove(box)
            track.follow(box, at_ms, self._clock.ticks_diff(at_ms, track.at_ms))
            self._count(track)
        for box in left:
            self._begin(box, at_ms)

    def crossings(self) -> "list[Crossing]":
        """[(class, to the right)] of who crossed the line since the last call, each once."""
        crossings = self._crossings
        self._crossings = []
        return crossings

    def _error(self, track: Track, box: "Box", at_ms: int) -> int:
        """How badly a box fits a track, -1 when it cannot be the same road user."""
        if track.taken or track.ridden != (box[0] <= _LAST_RIDDEN):
            return -1
        if track.leaving() * (box[1] - track.box[1]) < -_EDGE // 2:
            return -1  # it does not turn round at the edge: this one comes in there
        elapsed_ms = self._clock.ticks_diff(at_ms, track.at_ms)
        off_x = abs(box[1] - track.box[1] - track.speed * elapsed_ms // 1000)
        off_y = abs(box[2] - track.box[2])
        width = max(box[3], track.box[3])
        # Of somebody seen once nobody knows how fast he goes: the next box may be most of its width away
        if off_x > _NEAR + (width * 3 // 4 if track.seen == 1 else width // 2):
            return -1
        if off_y > _NEAR + max(box[4], track.box[4]) // 2:
            return -1
        return off_x + off_y

    def _begin(self, box: "Box", at_ms: int) -> None:
        if len(self._open) == TRACKS_MAX:
            # No room: the one not seen for the longest time goes
            self._open.remove(min(self._open, key=lambda track: -self._clock.ticks_diff(at_ms, track.at_ms)))
        self._open.append(Track(box, at_ms))

    def _count(self, track: Track) -> None:
        crossing = track.crossing()
        if crossing is not None and len(self._crossings) < CROSSINGS_MAX:
            self._crossings.append(crossing)

    def _end_silent(self, now_ms: int) -> None:
        for track in list(self._open):
            gap_ms = LEFT_GAP_MS if track.leaving() else GAP_MS
            if self._clock.ticks_diff(now_ms, track.at_ms) > gap_ms:
                self._open.remove(track)


def one_each(boxes: "list[Box]") -> "list[Box]":
    """One box for each road user. Boxes of one kind that lie on each other are one; riders are what they ride."""
    kept: list[Box] = []
    for box in boxes:
        if not any(_same(box, other) for other in kept):
            kept.append(box)
    riders = []
    mounts = []
    for person in kept:
        if person[0] != PERSON:
            continue
        for mount in kept:
            if PERSON < mount[0] <= _LAST_RIDDEN and mount not in mounts and _rides(person, mount):
                mounts.append(mount)
                riders.append(person)
                break
    out = []
    for box in kept:
        if box in riders:
            # Where the person is: a walker in front of a parked bicycle leaves it behind
            out.append((mounts[riders.index(box)][0], box[1], box[2], box[3], box[4]))
        elif box not in mounts:
            out.append(box)
    return out


def _side(box: "Box") -> int:
    off = box[1] - LINE
    if abs(off) <= max(_UNDECIDED, box[3] // 8):
        return 0
    return 1 if off > 0 else -1


def _overlap(middle: int, size: int, other_middle: int, other_size: int) -> int:
    """Length that two stretches have in common."""
    ends = min(2 * middle + size, 2 * other_middle + other_size)
    return max(0, (ends - max(2 * middle - size, 2 * other_middle - other_size)) // 2)


def _same(box: "Box", other: "Box") -> bool:
    """Whether two boxes of one kind share half of what they cover together."""
    motor = box[0] > _LAST_RIDDEN and other[0] > _LAST_RIDDEN
    if box[0] != other[0] and not motor:
        return False
    common = _overlap(box[1], box[3], other[1], other[3]) * _overlap(box[2], box[4], other[2], other[4])
    return 2 * common >= box[3] * box[4] + other[3] * other[4] - common


def _rides(person: "Box", mount: "Box") -> bool:
    """Whether the person's middle is above the mount and their boxes overlap."""
    return (
        2 * abs(person[1] - mount[1]) <= mount[3]
        and person[2] < mount[2]
        and _overlap(person[2], person[4], mount[2], mount[4]) > 0
    )
