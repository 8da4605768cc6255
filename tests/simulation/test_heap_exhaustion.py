"""An allocation fails, wherever that may be: in the boot, in a sample, in the middle of a signature or of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulated_street import WINDOW_US, BuildStreet

from hadeda.simulate.faults import Faults

if TYPE_CHECKING:
    from hadeda.simulate.street import Street

FIRST_US: Final = 60_000_000
# How manieth allocation of the node's program, whose imports take some three thousand and its boot twelve
FAILING: Final = (3_000, 4_000, 5_000, 6_000, 8_000, 10_000, 11_000, 12_000, 14_000, 20_000)


class Starving(Faults):
    """A dip of the supply every window, and after each other allocations that fail."""

    def __init__(self, seed: int, boards: int, length_us: int) -> None:
        super().__init__(seed, boards, length_us)
        self._left = list(enumerate(FAILING))
        self.end_us = FIRST_US + len(FAILING) * WINDOW_US

    def next_us(self) -> int | None:
        return FIRST_US + self._left[0][0] * WINDOW_US if self._left else None

    def moment(self, street: Street) -> None:
        _, after = self._left.pop(0)
        street.posts[0].starve(after)


def test_whichever_allocation_fails_nothing_is_lost_and_nothing_comes_twice(build_street: BuildStreet) -> None:
    street = build_street(Starving, len(FAILING) + 3.5)
    street.run(lambda _: None)
    assert street.violations == []
    trace = [event.text for event in street.trace.before(1 << 60, 5000)]
    assert sum(text.startswith("allocation") for text in trace) == len(FAILING)
    met = sum("MemoryError" in text for text in trace)
    assert met >= 3, "most of them went unnoticed: this test sees nothing"
