"""What a chip model is: the shapes of buses and plain inputs, what a bus can do wrong, and the world a chip feels.

A chip file has `CHIP`, its class, made as `CHIP(world, seed)`. The same world and seed, spoken to at the same moments,
answers the same bytes. `now` is board time in Unix seconds on the world's scale and never goes back.
"""

from collections.abc import Callable
from typing import Protocol, TypeAlias, runtime_checkable

from hadeda.scenario import Air, Passage

OnEvent: TypeAlias = Callable[[float, str], None]


class Nack(Exception):
    """Nobody acknowledged on I2C: the board sees ENODEV."""


class BusHung(Exception):
    """A chip holds the bus and never lets go: the board sees ETIMEDOUT."""


class Surroundings(Protocol):
    """What a chip can feel of the world; hadeda.scenario.World is one."""

    def air(self, t: float) -> Air:
        """The air at t."""
        ...

    def passages(self, t0: float, t1: float) -> list[Passage]:
        """Who passes the sensor at t0 <= time < t1."""
        ...


class I2cChip(Protocol):
    """A chip that answers on I2C."""

    on_event: OnEvent | None

    def write(self, data: bytes, now: float) -> None:
        """One write transaction, the bytes after the address; raises Nack or BusHung."""
        ...

    def read(self, count: int, now: float) -> bytes:
        """One read transaction of `count` bytes; raises Nack or BusHung."""
        ...


@runtime_checkable
class WokenByTheLine(Protocol):
    """A chip on I2C that sleeps until the data line is held low for a while."""

    def line_held_low(self, seconds: float, now: float) -> None:
        """The data line was low for so long, and is high again."""
        ...


class UartChip(Protocol):
    """A chip that speaks on a serial line."""

    on_event: OnEvent | None
    baudrate: int

    def receive(self, data: bytes, now: float) -> None:
        """Bytes from the board."""
        ...

    def next_transmission(self, now: float) -> float | None:
        """When it will speak next; None: only when spoken to."""
        ...

    def transmit(self, now: float) -> bytes:
        """Everything it said since the last call, up to now."""
        ...


class GpioChip(Protocol):
    """What is on a plain input: a contact, or an output of its own."""

    on_event: OnEvent | None

    def level(self, now: float) -> bool | None:
        """High or low as it holds the pin; None: it does not, as an open contact."""
        ...


class RadioChip(Protocol):
    """What the chip's own radio hears; see emulator/bluetooth.py."""

    on_event: OnEvent | None


Chip: TypeAlias = I2cChip | UartChip | GpioChip | RadioChip
