"""Nortech TD136, inductive loop detector: a vehicle that comes onto the loop opens the presence relay's contact.

Manual: 301UM0031_01, sections 3.2.3, 4.3 and 4.4. With presence time 1 s (switches 5 and 6 on) it gives one pulse of a
second for each vehicle, however long it stays, and 60 ms to come and go; the output is fail-safe: without supply or
with a broken loop it says "vehicle". Longer presence times make a waiting vehicle a fault.
"""

from micropython import const

from sensors.contact import Contact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ports.clock import Clock
    from ports.gpio import Input

PART = {"kind": "traffic", "channels": ()}

# Looks of 50 ms: half a second, for a node that did not look for a while, and 5 s, which is no second any more
_SHORTEST = const(10)
_LONGEST = const(100)


def open(_entry: "dict[str, Any]", bus: "Input", clock: "Clock") -> Contact:
    return Contact(bus, "vehicle", clock, _SHORTEST, _LONGEST)
