"""One part, one file. A part's module has PART, what it is, and `open(entry, bus, clock)`, which makes its driver.

PART is {"kind": "air" | "traffic", "channels": ids of labels.CHANNELS}. A driver has `async def run(self, out)`: it
runs for ever, says what it sees through `out` (node.sample.Output) and raises when it cannot go on.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ports.clock import Clock


def _module(name: str) -> "Any":
    return __import__("sensors." + name, None, None, ("PART",))


def part(name: str) -> "dict[str, Any]":
    """PART of the module with this part's name."""
    described: dict[str, Any] = _module(name).PART
    return described


def open_sensor(entry: "dict[str, Any]", buses: "dict[str, Any]", clock: "Clock") -> "Any":
    """The driver of one entry of the configuration's `sensors`; nothing is said to the chip yet."""
    return _module(entry["part"]).open(entry, buses[entry["bus"]], clock)
