"""The lamp by which a person in the street finds the node: a plain LED, or one WS2812."""

import asyncio

from machine import Pin
from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ports.clock import Clock

_HALF_PERIOD_MS = const(250)
_WHITE = (64, 64, 64)
_DARK = (0, 0, 0)


class Led:
    """Blinks at two hertz. `led` is the configuration's map: kind ("gpio", lit when high, or "neopixel") and pin."""

    def __init__(self, led: "dict[str, Any]", clock: "Clock") -> None:
        self._clock = clock
        self._pin = Pin(led["pin"], Pin.OUT)
        self._pixel: Any = None
        self._task: Any = None
        if led["kind"] == "neopixel":
            from neopixel import NeoPixel

            self._pixel = NeoPixel(self._pin, 1)
        self._light(False)

    def blink(self, seconds: int) -> None:
        """Blink for so long, in a task of its own; called again, it starts anew."""
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.create_task(self._blink(seconds * 1000 // (2 * _HALF_PERIOD_MS)))

    async def _blink(self, times: int) -> None:
        try:
            for _ in range(times):
                self._light(True)
                await self._clock.sleep_ms(_HALF_PERIOD_MS)
                self._light(False)
                await self._clock.sleep_ms(_HALF_PERIOD_MS)
        finally:
            self._light(False)

    def _light(self, lit: bool) -> None:
        if self._pixel is None:
            self._pin.value(1 if lit else 0)
            return
        self._pixel[0] = _WHITE if lit else _DARK
        self._pixel.write()


def open_led(led: "dict[str, Any] | None", clock: "Clock") -> "Led | None":
    """The board's lamp, None when the configuration names none."""
    return Led(led, clock) if led is not None else None
