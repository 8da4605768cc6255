"""How thoroughly the table is measured, and what its rows share: the yardstick, built once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from hadeda.bench.board_life import Life, live
from hadeda.bench.build import Yardstick, build


@dataclass
class Conditions:
    """`quick`: fewer keys, shorter stretches, nothing that sets up a machine. `say` takes a line of progress."""

    quick: bool
    say: Callable[[str], None]

    @cached_property
    def yardstick(self) -> Yardstick:
        """MicroPython for QEMU's board, at the port's own optimisation."""
        return build()

    @cached_property
    def life(self) -> Life:
        """A board's, watched from inside."""
        return live()
