"""Who shares a passage with whom: a sensor that cannot tell road users apart counts them as one class."""

from collections.abc import Sequence
from typing import Final

ON_FOOT: Final = "person"
ANYBODY: Final = "presence"
_VEHICLES: Final = ("bicycle", "motorcycle", "car", "bus", "truck")
LUMPED: Final = {"vehicle": _VEHICLES, ANYBODY: (ON_FOOT, "vehicle", *_VEHICLES)}
EITHER: Final = "either"  # the direction of what a sensor tells none of


def sharing(cls: str) -> tuple[str, ...]:
    """The other classes whose passages are also this one's: what it is lumped into, and what is lumped into it."""
    return (*(whole for whole, pieces in LUMPED.items() if cls in pieces), *LUMPED.get(cls, ()))


def clashes(classes: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs (whole, piece) of classes that share somebody: a passage would belong to two cells."""
    return [
        (whole, piece) for whole, pieces in LUMPED.items() if whole in classes for piece in classes if piece in pieces
    ]
