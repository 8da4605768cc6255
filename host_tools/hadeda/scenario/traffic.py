"""The street: an hour's counts made into single passages.

A passage is the moment at which somebody passes the sensor. What is done with the file, and what is not in it:

- The counts per class and direction (`car_lft` ...) are honoured exactly. The totals per class (`car` ...) are rounded
  separately at the source and may differ by one from the sum of the directions; they are not used.
- Counts are scaled to the whole hour already where `uptime` is below 1, so they are spread over the whole hour. Where
  `uptime` is 0 (every night), or a row is missing, the street is **unknown**: no passages, and World.known says so.
- `_lft` is played as approaching, `_rgt` as receding. Which is which in Châteaubourg depends on the side of the road
  one stands on; this is a choice.
- Moments: cars and heavy vehicles of one direction share one lane. Headways there are a fixed part plus an exponential
  part (the shifted exponential model of traffic engineering), given the hour's count. Bikes keep to the edge and
  pedestrians to the pavement, both with no smallest headway.
- Speeds: cars and heavy vehicles are drawn from the hour's 25 bins of 5 km/h of **car** speed (the file has none of
  heavy vehicles), evenly within a bin; below 3 km/h nobody drives, and the open bin is played as 120 to 125.
  Drivers closer than 4 s form a platoon, which gets neighbouring speeds: nobody drives through the car in front.
- Bike speeds (mean 18, deviation 4 km/h) and pedestrian speeds (5, 0.8) are not in the data: chosen, not measured.
"""

import random
from dataclasses import dataclass
from pathlib import Path

from hadeda.scenario import table

CLASSES = ("car", "heavy", "bike", "pedestrian")
DIRECTIONS = {"lft": "approaching", "rgt": "receding"}
SPEED_BINS = 25
BIN_KMH = 5

_SHARES = "car_speed_percent_by_5kmh"
_COLUMNS = ("uptime", *(f"{kind}_{side}" for kind in CLASSES for side in DIRECTIONS), _SHARES)
_MOST_PER_HOUR = 5000
_LOWEST_KMH = 3.0
_HEADWAY_S = 1.5
_PLATOON_S = 4.0
# Mean, deviation, lowest and highest speed of those whose speed the file does not have.
_OWN_KMH = {"bike": (18.0, 4.0, 8.0, 35.0), "pedestrian": (5.0, 0.8, 2.0, 9.0)}


@dataclass(frozen=True)
class Passage:
    """Somebody passes the sensor at time_s. kind: car, heavy, bike, pedestrian; direction: approaching, receding."""

    time_s: float
    kind: str
    direction: str
    speed_kmh: float


@dataclass(frozen=True)
class Hour:
    """One row of the street file: counts by (class, direction), and the weight of each speed bin."""

    start_s: int
    uptime: float
    counts: dict[tuple[str, str], int]
    speed_weights: tuple[float, ...]

    def passages(self, seed: int) -> list[Passage]:
        """The hour's passages in order of time; the same for the same seed and hour, whatever was asked before."""
        if self.uptime == 0:
            return []
        rng = random.Random(f"street {seed} {self.start_s}")
        found: list[Passage] = []
        for direction in DIRECTIONS.values():
            found += self._lane(rng, direction)
            for kind in _OWN_KMH:
                found += self._others(rng, kind, direction)
        return sorted(found, key=lambda passage: passage.time_s)

    def _lane(self, rng: random.Random, direction: str) -> list[Passage]:
        kinds = [kind for kind in ("car", "heavy") for _ in range(self.counts[kind, direction])]
        rng.shuffle(kinds)
        times = [self.start_s + offset for offset in _moments(rng, len(kinds), _HEADWAY_S)]
        speeds = _speeds_by_platoon(rng, times, sorted(_speed(rng, self.speed_weights) for _ in kinds))
        return [Passage(*row) for row in zip(times, kinds, [direction] * len(kinds), speeds, strict=True)]

    def _others(self, rng: random.Random, kind: str, direction: str) -> list[Passage]:
        mean, deviation, low, high = _OWN_KMH[kind]
        offsets = _moments(rng, self.counts[kind, direction], 0)
        return [
            Passage(self.start_s + offset, kind, direction, min(high, max(low, rng.gauss(mean, deviation))))
            for offset in offsets
        ]


def _moments(rng: random.Random, count: int, headway_s: float) -> list[float]:
    """`count` rising offsets within an hour, at least headway_s apart, also from the hours before and after."""
    if count == 0:
        return []
    gap_s = min(headway_s, table.HOUR_S / count / 2)
    free = sorted(rng.uniform(0, table.HOUR_S - gap_s * count) for _ in range(count))
    return [offset + gap_s * (place + 0.5) for place, offset in enumerate(free)]


def _speed(rng: random.Random, weights: tuple[float, ...]) -> float:
    (chosen,) = rng.choices(range(SPEED_BINS), weights)
    return max(_LOWEST_KMH, rng.uniform(BIN_KMH * chosen, BIN_KMH * (chosen + 1)))


def _speeds_by_platoon(rng: random.Random, times: list[float], speeds: list[float]) -> list[float]:
    """Deals the sorted speeds out so that each platoon gets a run of neighbours; the multiset stays as drawn."""
    platoons: list[list[int]] = []
    for place, time in enumerate(times):
        if not platoons or time - times[place - 1] >= _PLATOON_S:
            platoons.append([])
        platoons[-1].append(place)
    rng.shuffle(platoons)
    order = [place for platoon in platoons for place in platoon]
    dealt = dict(zip(order, speeds, strict=True))
    return [dealt[place] for place in range(len(times))]


def read(path: Path) -> list[Hour]:
    """The hours of a street file; raises ScenarioError with file and line."""
    return [_hour(row) for row in table.read(path, _COLUMNS)]


def _hour(row: table.Row) -> Hour:
    uptime = row.number("uptime", 0, 1)
    counts = {
        (kind, direction): row.count(f"{kind}_{side}", _MOST_PER_HOUR)
        for kind in CLASSES
        for side, direction in DIRECTIONS.items()
    }
    if uptime == 0 and any(counts.values()):
        raise row.error("uptime is 0, yet somebody was counted")
    weights = _weights(row)
    if any(counts[kind, way] for kind in ("car", "heavy") for way in DIRECTIONS.values()) and not any(weights):
        raise row.error(f"{_SHARES} is all 0, yet vehicles were counted")
    return Hour(row.start_s, uptime, counts, weights)


def _weights(row: table.Row) -> tuple[float, ...]:
    shares = row.cells[_SHARES].split(";")
    if len(shares) != SPEED_BINS:
        raise row.error(f"{_SHARES} has {len(shares)} bins, not {SPEED_BINS}")
    try:
        weights = tuple(float(share) for share in shares)
    except ValueError:
        raise row.error(f"{_SHARES} has a bin that is not a number") from None
    if not all(0 <= weight <= 100 for weight in weights) or not (sum(weights) == 0 or 98 <= sum(weights) <= 102):
        raise row.error(f"{_SHARES} is not a distribution: bins from 0 to 100 with a sum of 100 percent")
    return weights
