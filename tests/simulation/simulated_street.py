"""What tests of streets share: which board, how long a window is, and what builds a street."""

from __future__ import annotations

from collections.abc import Callable

from hadeda.simulate.faults import Faults
from hadeda.simulate.street import Street

SEED = 7
BOARD = "esp32-s3-devkitc-1"
WINDOW_US = 900_000_000

BuildStreet = Callable[[Callable[[int, int, int], Faults], float], Street]
