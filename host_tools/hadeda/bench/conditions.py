"""How thoroughly the table is measured, and what its rows share: the yardstick, built once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from hadeda.bench.board_life import Life, live
from hadeda.bench.build import Yardstick, build
from hadeda.bench.run import measure_boot, measure_minimising, measure_peer, measure_sampling, measure_sealing

KEYS = 5
SEEDS = 20
Values = dict[str, list[int]]


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
    def sealing(self) -> Values:
        """What `hadeda bench sign` measures."""
        return measure_sealing(self.yardstick, 1 if self.quick else KEYS)

    @cached_property
    def peer(self) -> Values:
        """mbedTLS on the same core."""
        return measure_peer(1 if self.quick else KEYS)

    @cached_property
    def minimising(self) -> Values:
        """What `hadeda bench minimise` measures."""
        return measure_minimising(self.yardstick, 1 if self.quick else SEEDS)

    @cached_property
    def sampling(self) -> Values:
        """One sample of each sensor."""
        return measure_sampling(self.yardstick)

    @cached_property
    def booting(self) -> Values:
        """The import of each module that a boot needs."""
        return measure_boot(self.yardstick, self.life.booted)

    @cached_property
    def life(self) -> Life:
        """A board's, watched from inside."""
        return live()
