"""The true counts of a street under a policy: what a node would count there, cell by cell and window by window.

The street is the scenario's, a real month by the hour, made into single passages (see hadeda.scenario.traffic). A node
never has this table: it is here to say what a policy costs before anybody signs it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hadeda.policy.noise import Counts, Mask
from hadeda.policy.schema import DAY_S, Policy
from hadeda.scenario import World
from hadeda.scenario.table import HOUR_S

# Who of the scenario is counted under which class. A radar sees everything on the road as a vehicle, nobody on foot;
# the others are a camera's. The street's counter did not tell trucks from buses, nor motorcycles from cars.
COUNTED_AS: Final = {
    "vehicle": ("car", "heavy", "bike"),
    "person": ("pedestrian",),
    "bicycle": ("bike",),
    "car": ("car",),
    "truck": ("heavy",),
}
COARSE: Final = "vehicle"
ON_THE_ROAD: Final = ("bicycle", "motorcycle", "car", "bus", "truck")
BY_CAMERA: Final = ("person", *ON_THE_ROAD)


@dataclass(frozen=True)
class Cell:
    """One cell: class, direction and speed band [low, high) in km/h; no `high` for the uppermost."""

    cls: str
    direction: str
    low: int
    high: int | None

    @property
    def speed(self) -> str:
        """The band in words."""
        if self.high is None:
            return f"{self.low} km/h and more" if self.low else "any speed"
        return f"{self.low} to {self.high} km/h" if self.low else f"below {self.high} km/h"

    def __str__(self) -> str:
        return f"{self.cls} {self.direction}, {self.speed}"


def cells_of(policy: Policy) -> list[Cell]:
    """The policy's cells in the report's order: class-major, then direction, then speed band."""
    edges = (0, *policy.traffic.speed_bands_kmh)
    bands = list(zip(edges, (*edges[1:], None), strict=True))
    return [
        Cell(c, d, low, high) for c in policy.traffic.classes for d in policy.traffic.directions for low, high in bands
    ]


@dataclass(frozen=True)
class Street:
    """True counts, shape (windows, cells); `known` says for which windows the street file has data.

    Windows are laid on the day, the first one at midnight before the street's first hour (`start_s`, Unix seconds of
    local time read as UTC).
    """

    start_s: int
    window_s: int
    cells: tuple[Cell, ...]
    counts: Counts
    known: Mask

    @classmethod
    def of(cls, policy: Policy, world: World) -> "Street":
        """Play the whole street under the policy."""
        start_s = int(world.start_s) // DAY_S * DAY_S
        days = -(-(int(world.end_s) - start_s) // DAY_S)
        windows = days * policy.windows_per_day
        cells = cells_of(policy)
        index = {(cell.cls, cell.direction, cell.low): place for place, cell in enumerate(cells)}
        edges = (0, *policy.traffic.speed_bands_kmh)
        counts = np.zeros((windows, len(cells)), np.int64)
        known = np.zeros(windows, np.bool_)
        for hour in range(start_s, start_s + days * DAY_S, HOUR_S):
            if not world.known(hour):
                continue
            first = (hour - start_s) // policy.window_s
            known[first : max(first + 1, (hour + HOUR_S - start_s) // policy.window_s)] = True
            for passage in world.passages(hour, hour + HOUR_S):
                low = max(edge for edge in edges if passage.speed_kmh >= edge)
                place = _first(index, passage.kind, passage.direction, low)
                if place is not None:
                    counts[int(passage.time_s - start_s) // policy.window_s, place] += 1
        return cls(start_s, policy.window_s, tuple(cells), counts, known)

    @property
    def per_day(self) -> int:
        """Windows in a day."""
        return DAY_S // self.window_s

    def coarser(self, factor: int) -> "Street":
        """The same street in windows `factor` times as long; `factor` divides the windows of a day."""
        counts = self.counts.reshape(-1, factor, len(self.cells)).sum(axis=1)
        known = np.asarray(self.known.reshape(-1, factor).any(axis=1))
        return Street(self.start_s, self.window_s * factor, self.cells, counts, known)


def _first(index: dict[tuple[str, str, int], int], kind: str, direction: str, low: int) -> int | None:
    """The one cell of a passage; None where the policy has none and the node would drop it."""
    for counted_as, kinds in COUNTED_AS.items():
        if kind in kinds and (counted_as, direction, low) in index:
            return index[counted_as, direction, low]
    return None


def clashes(classes: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of classes that share somebody: a passage would belong to two cells."""
    return [(COARSE, fine) for fine in classes if COARSE in classes and fine in ON_THE_ROAD]
