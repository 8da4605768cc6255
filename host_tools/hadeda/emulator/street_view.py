"""What an object detector says of a street: the boxes of a camera that stands beside it and looks across.

The picture is 240 by 240 pixels and 62 degrees wide. A passage at time t is the moment its middle is in the middle of
the picture. **Approaching goes to the left**, on the near lane, receding to the right, on the far one; bikes keep to
the edges, pedestrians to the pavements. A heavy vehicle is a truck, or by chance a bus; a bike is two boxes, bicycle
and rider. Boxes are cut at the picture's edge and shown when a quarter of their width is in it; they tremble by 1.5 %
of their size. Nobody hides anybody. Distances, sizes and the detector's mistakes are chosen, not measured.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from hadeda.emulator.chips.base import Surroundings
from hadeda.scenario import Passage

SIDE_PX = 240
VIEW_DEGREES = 62.0

# How far the camera's axis is above the street where it meets the lanes, in m
_AXIS_M = 3.0
_FOCAL_PX = SIDE_PX / 2 / math.tan(math.radians(VIEW_DEGREES / 2))
# Distance from the camera by kind and direction, in m
_DISTANCE_M = {
    ("car", "approaching"): 9.0,
    ("heavy", "approaching"): 9.0,
    ("bike", "approaching"): 7.5,
    ("pedestrian", "approaching"): 6.0,
    ("car", "receding"): 12.0,
    ("heavy", "receding"): 12.0,
    ("bike", "receding"): 13.5,
    ("pedestrian", "receding"): 15.0,
}
# Length, height and what is under it, in m
_SIZE_M = {
    "car": (4.4, 1.5, 0.0),
    "truck": (8.0, 3.2, 0.0),
    "bus": (11.0, 3.1, 0.0),
    "bicycle": (1.75, 1.05, 0.0),
    "rider": (0.6, 1.15, 0.65),
    "person": (0.55, 1.75, 0.0),
}
_BUS_SHARE = 0.3
_NEIGHBOUR = {"car": "truck", "truck": "bus", "bus": "truck"}
_SHOWN_SHARE = 0.25
_TREMBLING = 0.015
_SLOWEST_MS = 2.0 / 3.6
_LOAD_S = 60.0


@dataclass
class DetectorFlaws:
    """What a detector gets wrong, as probabilities from 0 to 1.

    A box is `missed`; it has a neighbouring class (`confused`: car and truck, bus and truck); it is there twice
    (`doubled`), of two classes if it is a vehicle; a `ghost` is seen where there is nobody.
    """

    missed: float = 0.05
    confused: float = 0.03
    doubled: float = 0.02
    ghost: float = 0.002


@dataclass(frozen=True)
class Body:
    """One thing a detector can see of a passage: its class and its size."""

    name: str
    length_m: float
    height_m: float
    under_m: float


class Scene:
    """Who is in the picture."""

    def __init__(self, world: Surroundings, seed: int) -> None:
        self._world = world
        self._seed = seed
        self._loaded_until = -math.inf
        self._passages: list[Passage] = []

    def boxes(self, at: float, flaws: DetectorFlaws, targets: Mapping[str, int]) -> list[list[int]]:
        """[x, y, w, h, score, target] of everything detected at a moment, as detectors do: the surest first."""
        rng = random.Random(f"grove vision {self._seed} {round(at * 1000)}")
        found: list[list[int]] = []
        for passage in self.present(at):
            for body in bodies(passage, self._seed):
                shown = _projected(passage, body, at, rng)
                if shown is None or rng.random() < flaws.missed:
                    continue
                name = body.name
                if name in _NEIGHBOUR and rng.random() < flaws.confused:
                    name = _NEIGHBOUR[name]
                found.append([*shown, _score(rng), targets[name]])
                if rng.random() < flaws.doubled:
                    found.append([*shown, _score(rng), targets[_NEIGHBOUR.get(name, name)]])
        if rng.random() < flaws.ghost:
            place = [rng.randrange(20, SIDE_PX - 20) for _ in range(2)]
            found.append([*place, 30, 40, _score(rng), targets[rng.choice(sorted(targets))]])
        return sorted(found, key=lambda box: -box[4])

    def present(self, at: float) -> list[Passage]:
        """The passages that may be in the picture."""
        longest_s = max(_seconds_in_view(distance) for distance in _DISTANCE_M.values())
        if at >= self._loaded_until:
            self._loaded_until = at + _LOAD_S
            self._passages = self._world.passages(at - longest_s, self._loaded_until + longest_s)
        return [passage for passage in self._passages if abs(passage.time_s - at) <= longest_s]


def bodies(passage: Passage, seed: int) -> list[Body]:
    """What a detector sees of a passage."""
    if passage.kind == "bike":
        return [Body("bicycle", *_SIZE_M["bicycle"]), Body("person", *_SIZE_M["rider"])]
    name = {"car": "car", "pedestrian": "person"}.get(passage.kind)
    if name is None:
        is_bus = random.Random(f"heavy {seed} {passage.time_s}").random() < _BUS_SHARE
        name = "bus" if is_bus else "truck"
    return [Body(name, *_SIZE_M[name])]


def _seconds_in_view(distance_m: float) -> float:
    """How long the slowest is in the picture on each side of its middle."""
    half_m = distance_m * math.tan(math.radians(VIEW_DEGREES / 2)) + max(size[0] for size in _SIZE_M.values()) / 2
    return half_m / _SLOWEST_MS


def _projected(passage: Passage, body: Body, at: float, rng: random.Random) -> list[int] | None:
    """[x, y, w, h] in pixels, cut at the picture's edges; None when too little of it is in the picture."""
    distance_m = _DISTANCE_M[passage.kind, passage.direction]
    to_the_left = passage.direction == "approaching"
    along_m = (at - passage.time_s) * passage.speed_kmh / 3.6 * (-1 if to_the_left else 1)
    scale = _FOCAL_PX / distance_m
    width, height = body.length_m * scale, body.height_m * scale
    middle_x = SIDE_PX / 2 + along_m * scale
    middle_y = SIDE_PX / 2 + (_AXIS_M - body.under_m - body.height_m / 2) * scale
    edges = [middle_x - width / 2, middle_y - height / 2, middle_x + width / 2, middle_y + height / 2]
    sizes = [width, height, width, height]
    edges = [edge + rng.gauss(0, _TREMBLING * size) for edge, size in zip(edges, sizes, strict=True)]
    left, top, right, bottom = (min(SIDE_PX, max(0.0, edge)) for edge in edges)
    if right - left < max(2, _SHOWN_SHARE * width) or bottom - top < 2:
        return None
    return [round((left + right) / 2), round((top + bottom) / 2), round(right - left), round(bottom - top)]


def _score(rng: random.Random) -> int:
    return min(99, max(0, round(rng.gauss(78, 8))))
