"""A node's printable label: its public name, its city, and a QR code. Nothing secret, and no id of any radio.

Who reads it in the street learns what the thing is; who maintains it finds it again in `hadeda node list`.
"""

import html
import io
import textwrap
import warnings
from pathlib import Path
from typing import Final
from urllib.parse import quote

import segno
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from hadeda.errors import CityError
from hadeda.pictures import save, style
from hadeda.registry import Node

WIDTH_MM, HEIGHT_MM = 62.0, 29.0  # a common size of label tape
MARGIN_MM: Final = 2.0
MM_PER_INCH: Final = 25.4
QUIET_ZONE: Final = 4  # modules around a QR code (ISO/IEC 18004, section 5.3.8)
RECOVERY: Final = "m"  # a code of which 15 percent are scratched away still reads
NODE: Final = "{node}"
URL_MAX: Final = 200
DOTS_PER_INCH: Final = 300  # of a picture of dots
MM_PER_POINT: Final = MM_PER_INCH / 72
LETTER: Final = 0.75  # width of a bold letter, in its size; a wide one's
LINE: Final = 1.25  # height of a line, in its size
NAME_MM: Final = 14.0  # height for the name
NAME_SIZES: Final = range(14, 4, -1)  # points
SMALL: Final = 6.5

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>@page {{ size: {width}mm {height}mm; margin: 0 }} body {{ margin: 0 }} svg {{ width: {width}mm; display: block }}
</style></head><body>
{svg}</body></html>
"""


def write_label(node: Node, city: str, file: Path, url: str = "") -> str:
    """Write the label to `file` (.svg, .pdf, .png or .html) and return what its code says; raises CityError.

    The code leads to `url`, with the name in the place of {node}; without one it says the two names.
    """
    if node.revoked_at is not None:
        raise CityError(f"{node.name} was revoked", "provision the board again, then print its new label")
    code = _code_text(node.name, city, url)
    with style(), warnings.catch_warnings():
        warnings.filterwarnings("error", "Glyph .* missing")
        try:
            figure = _drawn(node.name, city, code)
            if file.suffix.lower() == ".html":
                _write_page(figure, node.name, file)
            else:
                save(figure, file, CityError)
        except UserWarning as missing:
            raise CityError(
                f"{node.name}, {city}: our fonts lack a sign of it ({missing})", "give it another name"
            ) from missing
    return code


def _code_text(name: str, city: str, url: str) -> str:
    if not url:
        return f"Hadeda sensor node {name}, {city}"
    if not url.startswith(("https://", "http://")) or len(url) > URL_MAX or any(sign.isspace() for sign in url):
        raise CityError(f"{url[:URL_MAX]!r} is no address for a label", f"https://... with {NODE} for the node's name")
    return url.replace(NODE, quote(name, safe=""))


def _drawn(name: str, city: str, code: str) -> Figure:
    """The label in millimetres, its code on the left."""
    figure = Figure(figsize=(WIDTH_MM / MM_PER_INCH, HEIGHT_MM / MM_PER_INCH), dpi=DOTS_PER_INCH)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH_MM)
    axes.set_ylim(HEIGHT_MM, 0)
    axes.set_axis_off()
    side = HEIGHT_MM - 2 * MARGIN_MM
    axes.add_patch(PathPatch(_modules(code, MARGIN_MM, MARGIN_MM, side), facecolor="black", linewidth=0, snap=False))
    left = 2 * MARGIN_MM + side
    room = WIDTH_MM - left - MARGIN_MM
    size, lines = _fitting(name, room)
    axes.text(left, MARGIN_MM, "\n".join(lines), size=size, weight="bold", va="top", parse_math=False)
    below = textwrap.wrap(city, _letters(room, SMALL), max_lines=2)
    text = "\n".join([*below, "Hadeda sensor node"])
    axes.text(left, HEIGHT_MM - MARGIN_MM, text, size=SMALL, va="bottom", parse_math=False)
    return figure


def _fitting(name: str, room: float) -> tuple[int, list[str]]:
    """The largest size in points, and the lines, in which the name has room."""
    for size in NAME_SIZES:
        lines = textwrap.wrap(name, _letters(room, size))
        if len(lines) * size * LINE * MM_PER_POINT <= NAME_MM and (len(lines) == 1 or size <= NAME_SIZES[0] * 0.75):
            break
    return size, lines


def _letters(room: float, size: float) -> int:
    """How many of this size fit a line."""
    return int(room / (LETTER * size * MM_PER_POINT))


def _modules(code: str, left: float, top: float, side: float) -> Outline:
    """The dark modules of a QR code in a square, quiet zone included, as one outline: no gaps between them."""
    rows = list(segno.make_qr(code, error=RECOVERY).matrix_iter(border=QUIET_ZONE))
    unit = side / len(rows)
    runs = []
    for y, row in enumerate(rows):
        start = None
        for x, dark in enumerate([*row, 0]):
            if dark and start is None:
                start = x
            elif not dark and start is not None:
                runs.append(_box(left + start * unit, top + y * unit, (x - start) * unit, unit))
                start = None
    return Outline.make_compound_path(*runs)


def _box(left: float, top: float, width: float, height: float) -> Outline:
    right, bottom = left + width, top + height
    return Outline([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], closed=True)


def _write_page(figure: Figure, name: str, file: Path) -> None:
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    svg = drawn.getvalue()
    page = _PAGE.format(title=html.escape(name), width=WIDTH_MM, height=HEIGHT_MM, svg=svg[svg.index("<svg") :])
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise CityError(f"{file} cannot be written ({error.strerror})", "name a file you may write") from error
