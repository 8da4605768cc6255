"""The names of traffic cells, in the order the node counts them."""

import pytest

from hadeda.policy.compiled import Cells
from hadeda.registry import Cell, cell_names
from hadeda.registry.cells import speed_bands


def test_cells_are_class_major_then_direction_then_band() -> None:
    cells = cell_names(
        Cells(classes=("vehicle",), directions=("approaching", "receding"), speed_bands_kmh=(30, 50, 70))
    )
    assert len(cells) == 8
    assert cells[0] == Cell("vehicle", "approaching", "<30")
    assert cells[3] == Cell("vehicle", "approaching", ">=70")
    assert cells[4] == Cell("vehicle", "receding", "<30")


@pytest.mark.parametrize(
    ("edges", "bands"),
    [([], [""]), ([50], ["<50", ">=50"]), ([30, 50, 70], ["<30", "30-49", "50-69", ">=70"])],
)
def test_bands_between_edges(edges: list[int], bands: list[str]) -> None:
    assert speed_bands(edges) == bands
