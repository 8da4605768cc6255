"""The profiles of faults by name, as `--faults` takes them."""

from collections.abc import Callable
from typing import Final

from hadeda.simulate.faults import Faults
from hadeda.simulate.storm import Storm

PROFILES: Final[dict[str, Callable[[int, int, int], Faults]]] = {"none": Faults, "storm": Storm}
