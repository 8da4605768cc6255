"""The true counts of a street under a policy: what a node would count there, cell by cell and window by window.

The street is the scenario's, a real month by the hour, made into single passages (see hadeda.scenario.traffic). A node
never has this table: it is here to say what a policy costs before anybody signs it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hadeda.board.road_users import ANYBODY, EITHER, LUMPED, ON_FOOT
from hadeda.policy.compiled import Cells
from hadeda.policy.noise import Counts, Mask
from hadeda.policy.schema import DAY_S, Policy, Traffic
from hadeda.scenario import Passage, World
from hadeda.scenario.table import HOUR_S

# Who of the scenario is counted under which class. A radar sees everything on the road as a vehicle, nobody on foot; a
# presence input does not tell who it is; the others are a camera's. The street's counter did not tell trucks from
# buses, nor motorcycles from cars.
COUNTED_AS: Final = {
    "vehicle": ("car", "heavy", "bike"),
    "person": ("pedestrian",),
    "bicycle": ("bike",),
    "car": ("car",),
    "truck": ("heavy",),
    ANYBODY: ("car", "heavy", "bike", "pedestrian"),
}
# What only one kind of source counts, which a policy has to allow by a table of its name
ONLY_BY: Final = {"vision": (ON_FOOT, *LUMPED["vehicle"]), "presence": (ANYBODY,)}


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
    return cells_in(policy.traffic)


def cells_in(parts: Traffic | Cells) -> list[Cell]:
    """As cells_of, for the part of a policy that names classes, directions and speed bands."""
    edges = (0, *parts.speed_bands_kmh)
    bands = list(zip(edges, (*edges[1:], None), strict=True))
    return [Cell(c, d, low, high) for c in parts.classes for d in parts.directions for low, high in bands]


class Tally:
    """Tells in which cell a passage of the scenario is counted."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._index = {(cell.cls, cell.direction, cell.low): place for place, cell in enumerate(cells)}
        self._edges = sorted({cell.low for cell in cells})

    def place(self, passage: Passage) -> int | None:
        """The one cell of a passage, by its place; None where there is none and the node would drop it.

        What tells no direction tells no speed: it counts in the lowest band.
        """
        low = max(edge for edge in self._edges if passage.speed_kmh >= edge)
        for counted_as, kinds in COUNTED_AS.items():
            for key in ((counted_as, passage.direction, low), (counted_as, EITHER, 0)):
                if passage.kind in kinds and key in self._index:
                    return self._index[key]
        return None

    def counts(self, world: World, start_s: float, end_s: float) -> list[int]:
        """How many passed in a stretch of time, cell by cell: the truth, which no node ever says."""
        found = [0] * len(self._index)
        for passage in world.passages(start_s, end_s):
            place = self.place(passage)
            if place is not None:
                found[place] += 1
        return found


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
        tally = Tally(cells)
        counts = np.zeros((windows, len(cells)), np.int64)
        known = np.zeros(windows, np.bool_)
        for hour in range(start_s, start_s + days * DAY_S, HOUR_S):
            if not world.known(hour):
                continue
            first = (hour - start_s) // policy.window_s
            known[first : max(first + 1, (hour + HOUR_S - start_s) // policy.window_s)] = True
            for passage in world.passages(hour, hour + HOUR_S):
                place = tally.place(passage)
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
