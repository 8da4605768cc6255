"""The names of a policy's traffic cells: classes x directions x speed bands, in the order the report counts them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from hadeda.policy.compiled import Cells


@dataclass(frozen=True)
class Cell:
    """One traffic cell; `speed_band_kmh` is text such as `30-49`, and empty where speeds are not told apart."""

    road_user: str
    direction: str
    speed_band_kmh: str


def cell_names(cells: Cells) -> list[Cell]:
    """The cells of a policy, class-major."""
    return [Cell(*names) for names in product(cells.classes, cells.directions, speed_bands(cells.speed_bands_kmh))]


def speed_bands(edges: Sequence[int]) -> list[str]:
    """The bands between ascending `edges` in km/h: [30, 50] gives `<30`, `30-49`, `>=50`."""
    if not edges:
        return [""]
    return [f"<{edges[0]}", *(f"{low}-{high - 1}" for low, high in pairwise(edges)), f">={edges[-1]}"]
