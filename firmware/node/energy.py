"""The energy of a window, as the floor lets it be told: one number, in whole steps, of a window that was long enough.

A load curve is somebody's life: who is at home, when he cooks, when he sleeps. So the single steps of the meter end
here, and there is no lowest and no highest. What is left beyond a whole step is told with the next window, so that
the sum stays right, or forgotten with a window that was cut short. In memory only while a policy has energy.
"""

from envelope.labels import ENERGY_STEP, ENERGY_WINDOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Energy:
    """In the place of a channel of node/minimise.py. `floor` is labels.FLOOR_ENERGY's map."""

    def __init__(self, floor: "dict[Any, Any]") -> None:
        self._least_s: int = floor[ENERGY_WINDOW]
        self._step_wh: int = floor[ENERGY_STEP]
        self._wh = 0
        self._read = False
        self.n = 0  # 1 when there is something to tell

    def add(self, wh: int) -> None:
        self._wh += wh
        self._read = True

    def close(self, length_s: int) -> None:
        """The window is over. Until that is said, and when it was too short, nothing is told."""
        enough = length_s >= self._least_s
        self.n = 1 if enough and self._read else 0
        self._read = False
        if not enough:
            self._wh = 0

    def release(self) -> "list[int]":
        """[1, Wh in whole steps, 0, 0]: the one value of the window."""
        told_wh = self._wh // self._step_wh * self._step_wh
        self._wh -= told_wh
        self.n = 0
        return [1, told_wh, 0, 0]
