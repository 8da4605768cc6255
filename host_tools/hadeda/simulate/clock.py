"""A simulated board's clock: it jumps to whatever moment comes next, and to no other."""

from hadeda.emulator.clock import VirtualTime


class SimulatedTime(VirtualTime):
    """Virtual time without any regard for the clock on the wall, not even while somebody may be typing.

    While `held` it stands still: what has happened to the board is all it gets to see.
    """

    held = False

    def wait_s(self, until_us: int, pace: float) -> float:  # noqa: ARG002
        return 0.0

    def advance(self, until_us: int, pace: float) -> None:  # noqa: ARG002
        if not self.held:
            self._now_us = max(self._now_us, until_us)
