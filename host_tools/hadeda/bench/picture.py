"""The picture of the bench table: two bars for each row that has a peer, ours and the peer's, to one scale a row."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from hadeda.bench.row import Row
from hadeda.errors import BenchError
from hadeda.pictures import save, style

OURS, PEER = "#0b6e99", "#b8b8b8"
SMALL: Final = 8.0
BAR: Final = 0.36
ROOM: Final = 1.7  # of the longest bar, for the words behind it


def draw(rows: Sequence[Row], file: Path) -> None:
    """Raises BenchError where no row has a peer, or the file cannot be written."""
    pairs = [(row, row.value, row.peer_value) for row in rows if row.value is not None and row.peer_value is not None]
    if not pairs:
        raise BenchError("no row has a peer", "run the whole table")
    with style():
        figure = Figure(figsize=(9.5, 0.9 + 0.5 * len(pairs)), layout="constrained")
        axes = figure.subplots()
        for place, (row, value, peer_value) in enumerate(pairs):
            scale = max(value, peer_value)
            for offset, name, number, colour in (
                (-BAR / 2, "Hadeda", value, OURS),
                (BAR / 2, row.peer, peer_value, PEER),
            ):
                axes.barh(place + offset, number / scale, BAR, color=colour)
                words = f" {name}: {_words(number)} {row.unit}"
                axes.text(number / scale, place + offset, words, va="center", fontsize=SMALL)
        axes.set_yticks(range(len(pairs)), [_title(row) for row, _value, _peer_value in pairs])
        axes.invert_yaxis()
        axes.set_xlim(0, ROOM)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        figure.suptitle("What Hadeda costs, beside what others do (each pair to its own scale)", x=0.01, ha="left")
        save(figure, file, BenchError)


def _title(row: Row) -> str:
    return f"{row.name}\n(more is better)" if row.unit.endswith("/s") else row.name


def _words(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
