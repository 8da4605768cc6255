"""Seeed Studio Grove Vision AI Module V2 (Himax WiseEye2): a camera that says what it sees in boxes, never in pictures.

Protocol: "AT Protocol Specification v2023.12.12" (docs/protocol/at_protocol.md of Seeed-Studio/SSCMA-Micro). The node
asks for one result at a time and for results only; it reads x and y, width and height, score and class of each box
and nothing else of an answer. A picture that comes all the same is thrown away unread and is a fault. Who crosses the
line in the middle of the picture is worked out in sensors/box_tracks.py.

One result at a time, and not the endless `AT+INVOKE=-1,0,1`: while the node signs it does not read for about a second,
and an endless stream would run over its receive buffer.

How fast somebody goes is not known, so passages have speed 0, which means "not measured" and is the lowest band.

Taken from the firmware's and the wiki's text, since the specification does not say it: events carry `resolution`;
x and y are the middle of a box. The firmware's newer tree takes INVOKE without its middle argument, so a module that
refuses one form, or sends pictures, is asked in the other. Not found anywhere: how long a result may take (a second is
granted), and a numbering of classes; COCO's is taken, which the public YOLO models use.
"""

import json

from micropython import const

from envelope.labels import FAULT_BAD_FRAME, FAULT_NO_ANSWER, SOURCE_VISION
from sensors.box_tracks import BOXES_MAX, CLASSES, BoxTracks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from node.sample import Output
    from ports.bus import Uart
    from ports.clock import Clock
    from sensors.box_tracks import Box

PART = {"kind": "traffic", "channels": (), "source": SOURCE_VISION, "classes": CLASSES}

# Class number of the detector -> what the node calls it, one of box_tracks.CLASSES; others are not road users
TARGETS = {0: "person", 1: "bicycle", 2: "car", 3: "motorcycle", 5: "bus", 7: "truck"}
# The side of the street: seen from the camera, who goes to the left is approaching, who goes to the right receding
TO_THE_RIGHT = "receding"
TO_THE_LEFT = "approaching"

# Times, only when different, results only; in newer firmware times, results only
INVOKE = (b"AT+INVOKE=1,0,1\r", b"AT+INVOKE=1,1\r")
# Whatever it was doing, no more; camera 1 on, in its first mode, which is 240 by 240
START = (b"AT+BREAK\r", b"AT+SENSOR=1,1,0\r")
_EVENT = const(1)
_LOG = const(2)
_PICTURE = b'"image"'

LINE_MAX = 1024
# What a line may hold, and with it what json.loads may build
_BRACKETS_MAX = const(48)
_COMMAS_MAX = const(256)
_PIXELS_MAX = const(4096)
_SIDE_PX = const(240)
_SCORE_MIN = const(50)
_SCORE_MAX = const(100)

_POLL_MS = const(50)
_ANSWER_MS = const(1000)
_START_MS = const(500)
_ATTEMPTS = const(3)
# Between two tries to start a module that does not answer
_RETRY_MS = const(10000)
_BUFFER = const(256)
# A line at 921600 baud brings less than 20 buffers between two polls
_READS_MAX = const(20)


def open(entry: "dict[str, Any]", bus: "Uart", clock: "Clock") -> "GroveVision":
    """`classes` of the entry, if there: those this camera counts. Others belong to another sensor."""
    return GroveVision(bus, clock, entry.get("classes", CLASSES))


class Lines:
    """Finds the lines between CR and LF in whatever arrives, in memory taken once.

    `bad` counts the lines that were too long or broke off, `pictures` those that held a picture.
    """

    def __init__(self) -> None:
        self._line = bytearray(LINE_MAX)
        self.forget()

    def forget(self) -> None:
        self._length = -1  # -1: between lines
        self._too_long = False
        self.bad = 0
        self.pictures = 0

    def feed(self, data: bytes) -> "list[bytes]":
        """Every line that is whole now, in order, without CR and LF."""
        lines = []
        at = 0
        while at < len(data):
            start = data.find(b"\r", at)
            end = data.find(b"\n", at)
            if start >= 0 and (end < 0 or start < end):
                # No LF before the next CR: what was there broke off
                if self._length >= 0:
                    self._keep(data, at, start)
                    self._break_off()
                self._length = 0
                at = start + 1
                continue
            stop = end if end >= 0 else len(data)
            if self._length >= 0:
                self._keep(data, at, stop)
            if end >= 0:
                line = self._finish()
                if line:
                    lines.append(line)
            at = stop + 1
        return lines

    def _keep(self, data: bytes, at: int, stop: int) -> None:
        room = min(stop - at, LINE_MAX - self._length)
        self._line[self._length : self._length + room] = data[at : at + room]
        self._length += room
        if room < stop - at and not self._too_long:
            # Its end may never come: pictures run over the receive buffer
            self._too_long = True
            self._reject(_PICTURE in self._line)

    def _break_off(self) -> None:
        if self._length > 0 and not self._too_long:
            self._reject(_PICTURE in self._line[: self._length])
        self._too_long = False

    def _finish(self) -> bytes:
        """The line, empty when there is none to be read."""
        line = b"" if self._too_long else bytes(self._line[: max(0, self._length)])
        self._length = -1
        self._too_long = False
        if _PICTURE in line:
            self._reject(True)
            return b""
        return line

    def _reject(self, picture: bool) -> None:
        if picture:
            self.pictures += 1
        else:
            self.bad += 1


def message(line: bytes) -> "dict[str, Any] | None":
    """The reply a line is, None when it cannot be one. What json.loads builds is bounded beforehand."""
    lists = line.count(b"[")
    objects = line.count(b"{")
    if lists + objects > _BRACKETS_MAX or line.count(b",") + line.count(b":") > _COMMAS_MAX:
        return None
    # MicroPython's json takes a line for whole that ends too early
    if lists != line.count(b"]") or objects != line.count(b"}") or not line.endswith(b"}"):
        return None
    try:
        reply = json.loads(line)
    except (ValueError, TypeError):  # MicroPython's raises TypeError for a list as a key
        return None
    if not isinstance(reply, dict) or not isinstance(reply.get("name"), str):
        return None
    if type(reply.get("type")) is not int or type(reply.get("code")) is not int:
        return None
    return reply


def boxes(data: "Any") -> "list[Box] | None":
    """The boxes of road users in an event's data, the surest first, None when the data cannot be a result."""
    if not isinstance(data, dict) or not isinstance(data.get("boxes"), list):
        return None
    width, height = _SIDE_PX, _SIDE_PX
    if "resolution" in data:
        resolution = data["resolution"]
        if not _numbers(resolution, 2, _PIXELS_MAX) or 0 in resolution:
            return None
        width, height = resolution
    found = []
    for box in data["boxes"][:BOXES_MAX]:
        if not _numbers(box, 6, _PIXELS_MAX) or box[4] > _SCORE_MAX:
            return None
        name = TARGETS.get(box[5])
        if name is None or box[4] < _SCORE_MIN:
            continue
        x, y = box[0] * 1000 // width, box[1] * 1000 // height
        found.append((box[4], (CLASSES.index(name), x, y, box[2] * 1000 // width, box[3] * 1000 // height)))
    found.sort(reverse=True)
    return [box for _score, box in found]


def _numbers(value: "Any", count: int, limit: int) -> bool:
    """Whether it is a list of `count` whole numbers from 0 to the limit."""
    if not isinstance(value, list) or len(value) != count:
        return False
    return all(type(number) is int and 0 <= number <= limit for number in value)


class GroveVision:
    """One camera module. `classes` are those it counts."""

    def __init__(self, uart: "Uart", clock: "Clock", classes: "tuple[str, ...] | list[str]" = CLASSES) -> None:
        self._uart = uart
        self._clock = clock
        self._classes = classes
        self._buffer = bytearray(_BUFFER)
        self._lines = Lines()
        self._tracks = BoxTracks(clock)
        self._form = 0
        self._heard = False
        self._answered = False
        self._refused = False
        self._spoiled = False

    async def run(self, out: "Output") -> None:
        """Ask for ever; a module that gives no results is a fault, and is started again."""
        while True:
            await self._start()
            failures = 0
            while failures < _ATTEMPTS:
                failures = 0 if await self._ask(out) else failures + 1
            if self._refused or not self._heard:
                out.fault(FAULT_NO_ANSWER)
                await self._clock.sleep_ms(_RETRY_MS)

    async def _start(self) -> None:
        """What it answers does not matter: whether it is there is known from its results."""
        for line in START:
            self._uart.write(line)
            await self._clock.sleep_ms(_START_MS)
        for _ in range(_READS_MAX):
            if not self._uart.read_now(self._buffer):
                break
        self._lines.forget()

    async def _ask(self, out: "Output") -> bool:
        """Ask for one result and take what comes. False when there was none in a second."""
        self._heard = self._answered = self._refused = self._spoiled = False
        self._uart.write(INVOKE[self._form])
        out.alive()
        for _ in range(_ANSWER_MS // _POLL_MS):
            await self._clock.sleep_ms(_POLL_MS)
            self._listen(out)
            if self._answered:
                return True
            if self._refused or self._spoiled:
                break
        if self._refused:
            self._form = (self._form + 1) % len(INVOKE)
        elif self._heard and not self._spoiled:
            out.fault(FAULT_BAD_FRAME)  # it speaks, and says no line
        return False

    def _listen(self, out: "Output") -> None:
        """Take what has arrived, bounded: a module that never stops talking does not stop the node."""
        for _ in range(_READS_MAX):
            count = self._uart.read_now(self._buffer)
            if not count:
                break
            self.take(bytes(self._buffer[:count]), out)

    def take(self, data: bytes, out: "Output") -> None:
        """Take bytes in."""
        self._heard = True
        for line in self._lines.feed(data):
            self._take_line(line)
        if self._lines.pictures:
            self._refused = True  # it did not do as it was told
        if self._lines.bad or self._lines.pictures:
            self._lines.bad = self._lines.pictures = 0
            self._spoiled = True
            out.fault(FAULT_BAD_FRAME)
        for name, to_the_right in self._tracks.crossings():
            if name in self._classes:
                out.passage(name, TO_THE_RIGHT if to_the_right else TO_THE_LEFT, 0)

    def _take_line(self, line: bytes) -> None:
        reply = message(line)
        if reply is None:
            self._lines.bad += 1
        elif reply["type"] != _LOG and reply["name"] != "INVOKE":
            pass  # it has started, or answers a question of before
        elif reply["code"] != 0:
            self._refused = True
        elif reply["type"] == _EVENT and not self._answered:
            # One question has one answer: what comes after it was sent twice, or was asked for by somebody else
            seen = boxes(reply.get("data"))
            if seen is None:
                self._lines.bad += 1
            else:
                self._answered = True
                self._tracks.see(seen, self._clock.ticks_ms())
