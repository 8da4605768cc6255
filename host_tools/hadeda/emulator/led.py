"""The board's LED as somebody in the street sees it: a plain one on a pin, or one WS2812 that keeps what it was told.

A WS2812 takes green first (datasheet WS2812B, "Composition of 24bit data") and shows its colour through every reset
of the chip; a plain one goes out when a reset turns its pin into an input.
"""

from collections import deque
from collections.abc import Callable

from hadeda.board import schema

CHANGES_KEPT = 1000


class Led:
    """`shown` is (red, green, blue), of a plain one (level,), 0 to 255; `changes` are the newest, each with its moment.

    `now` is the world's time in seconds, in which moments are given.
    """

    def __init__(self, led: schema.Led, now: Callable[[], float]) -> None:
        self.pin = led.pin
        self.kind = led.kind
        self.changes: deque[tuple[float, tuple[int, ...]]] = deque(maxlen=CHANGES_KEPT)
        self._now = now
        self._dark = (0,) if led.kind == "gpio" else (0, 0, 0)
        self.shown: tuple[int, ...] = self._dark

    @property
    def lit(self) -> bool:
        """Whether it gives any light."""
        return any(self.shown)

    def level(self, level: int) -> None:
        """Its pin is driven low or high."""
        if self.kind == "gpio":
            self._show((255 if level else 0,))

    def bits(self, data: bytes) -> None:
        """Bits come out of its pin; more than three bytes would be for lamps behind it."""
        if self.kind == "neopixel" and len(data) >= 3:
            green, red, blue = data[:3]
            self._show((red, green, blue))

    def chip_reset(self) -> None:
        """The chip's pins are inputs again."""
        if self.kind == "gpio":
            self._show(self._dark)

    def power_down(self) -> None:
        """No supply, no light."""
        self._show(self._dark)

    def _show(self, colour: tuple[int, ...]) -> None:
        if colour != self.shown:
            self.shown = colour
            self.changes.append((self._now(), colour))
