"""Models of the parts on a node's buses, written from their datasheets: one part, one file, named like its driver."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from hadeda.emulator.chips.base import Chip
from hadeda.errors import BoardError

_NOT_PARTS = {"__init__", "base", "faults", "pulses", "sensirion"}


def names() -> list[str]:
    """The parts that have a model."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in _NOT_PARTS)


def load(part: str) -> Callable[..., Chip]:
    """The chip class of a part: `load("bme280")(world, seed=1)`; raises BoardError for a part without a model."""
    if part not in names():
        raise BoardError(f"no chip model for part {part!r}", f"parts with a model: {', '.join(names())}")
    chip: Callable[..., Chip] = import_module(f"{__name__}.{part}").CHIP
    return chip
