"""What comes down the camera module's wire, in pieces of any size: crossings of known classes, and faults."""

import json

from wire import heard

from sensors import grove_vision
from sensors.box_tracks import CLASSES

SIZE = 256
# What is there before the module is asked is old
OLD = b" " * (2 * SIZE)


def one_input(data):
    out = heard(grove_vision, {}, data)
    for cls, direction, speed_kmh in out.passages:
        if cls not in CLASSES or direction not in ("approaching", "receding") or speed_kmh:
            raise AssertionError("a passage that cannot be")
    return bool(out.passages)


def seeds():
    crossing = b""
    for step in range(12):
        crossing += _event([30 + 15 * step, 120, 40, 60, 80, 2], [200 - 12 * step, 60, 20, 60, 60, 0])
    picture = _line({"type": 1, "name": "INVOKE", "code": 0, "data": {"image": "AAAA", "boxes": []}})
    log = _line({"type": 2, "name": "AT", "code": 5, "data": "Unknown command"})
    return [b"\xff" + OLD + crossing, b"\xff" + OLD + log + crossing, b"\xff" + OLD + crossing + picture]


def _event(*seen):
    data = {"count": 1, "perf": [8, 60, 1], "boxes": [list(box) for box in seen], "resolution": [240, 240]}
    return _line({"type": 1, "name": "INVOKE", "code": 0, "data": data})


def _line(reply):
    """As long as a piece, so that each comes whole."""
    text = json.dumps(reply).encode()
    return b"\r{" + b" " * (SIZE - 2 - len(text)) + text[1:] + b"\n"
