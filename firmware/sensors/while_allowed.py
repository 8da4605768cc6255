"""A part whose code is in memory only while the policy in force has a use for what it hears: the chip's own radio.

Until then, and from then on, nothing of it is loaded and the radio is not listened to.
"""

from micropython import const

from node.seldom import seldom

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from node.sample import Output
    from ports.clock import Clock

PART = {"kind": "radio", "channels": ()}

_LOOK_MS = const(5000)


def open(entry: "dict[str, Any]", _bus: None, clock: "Clock") -> "WhileAllowed":
    return WhileAllowed(entry["part"], clock)


class WhileAllowed:
    """Stands in for the driver of `part`, which has `open(clock)`, and runs it while somebody wants to know."""

    def __init__(self, part: str, clock: "Clock") -> None:
        self._part = part
        self._clock = clock

    async def run(self, out: "Output") -> None:
        """For ever; what the driver raises is raised."""
        while True:
            out.alive()
            if out.footfall is not None:
                with seldom("sensors." + self._part, "ports.ble") as driver:
                    await driver.open(self._clock).run(out)
            await self._clock.sleep_ms(_LOOK_MS)
