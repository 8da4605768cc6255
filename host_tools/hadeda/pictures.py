"""How our pictures look and are written. Import this only where one is drawn: matplotlib takes its time.

No window is opened and no global state kept; the same numbers give the same file. Words stay words in it, so that it is
small and can be read aloud.
"""

from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from hadeda.errors import HadedaError


def style() -> AbstractContextManager[None]:
    """Our settings for as long as a picture takes; a fixed salt makes the SVG's identifiers repeatable."""
    return mpl.rc_context(
        {
            "svg.hashsalt": "hadeda",
            "svg.fonttype": "none",
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )


def save(figure: Figure, file: Path, wrong: type[HadedaError]) -> None:
    """Write it; raises `wrong` where the name or the place will not do."""
    if file.suffix.lower() not in (".svg", ".png", ".pdf"):
        raise wrong(f"{file} is no picture's name", "end it in .svg, .png or .pdf")
    date = {"Date": None} if file.suffix.lower() == ".svg" else None
    try:
        figure.savefig(file, metadata=date)
    except OSError as error:
        raise wrong(f"{file} cannot be written ({error.strerror})", "name a file you may write") from error
