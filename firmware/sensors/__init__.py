"""One part, one file. A part's module has PART, what it is, and `open(entry, bus, clock)`, which makes its driver.

PART is {"kind": "air" | "traffic" | "energy" | "radio", "channels": ids of labels.CHANNELS} and, where a policy has to
allow passages of it, "source": labels.SOURCE_* and "classes": what it counts. A driver has `async def run(self, out)`:
it runs for ever, says what it sees through `out` (node.sample.Output) and raises when it cannot go on.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ports.clock import Clock


def _module(entry: "dict[str, Any]") -> "Any":
    # What is on no bus is the chip's own radio
    name = entry["part"] if "bus" in entry else "while_allowed"
    return __import__("sensors." + name, None, None, ("PART",))


def part(entry: "dict[str, Any]") -> "dict[str, Any]":
    """PART of an entry of the configuration's `sensors`."""
    described: dict[str, Any] = _module(entry).PART
    return described


def open_sensor(entry: "dict[str, Any]", buses: "dict[str, Any]", clock: "Clock") -> "Any":
    """The driver of one entry of the configuration's `sensors`; nothing is said to the chip yet."""
    return _module(entry).open(entry, buses.get(entry.get("bus", "")), clock)
