"""The names of a node's traffic cells: classes x directions x speed bands, in the order the report counts them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any


@dataclass(frozen=True)
class Cell:
    """One traffic cell; `speed_band_kmh` is text such as `30-49`, and empty where speeds are not told apart."""

    road_user: str
    direction: str
    speed_band_kmh: str


def cell_names(configuration: Mapping[str, Any]) -> list[Cell]:
    """The cells of a node's configuration, class-major; none where it counts no traffic."""
    cells = configuration.get("cells")
    if not cells:
        return []
    bands = speed_bands(cells["speed_bands_kmh"])
    return [Cell(*names) for names in product(cells["classes"], cells["directions"], bands)]


def speed_bands(edges: Sequence[int]) -> list[str]:
    """The bands between ascending `edges` in km/h: [30, 50] gives `<30`, `30-49`, `>=50`."""
    if not edges:
        return [""]
    return [f"<{edges[0]}", *(f"{low}-{high - 1}" for low, high in pairwise(edges)), f">={edges[-1]}"]
