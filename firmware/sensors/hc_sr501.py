"""HC-SR501, passive infrared motion detector: somebody warm who goes by makes its output high for some seconds.

Module's data sheet (BISS0001 inside). With its jumper at L the output is high for the time that its trimmer says, at
least 0.3 and at its first stop some 3 s, whatever moves meanwhile, then low and blind for 2.5 s. Whoever comes in that
time is not counted. For the first minute after the supply comes it may say anything. It does not know who it was:
walker, dog, cyclist or the engine of a car, so it counts under a class of its own that a policy has to allow.
"""

from micropython import const

from envelope.labels import SOURCE_PRESENCE
from sensors.contact import Contact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ports.clock import Clock
    from ports.gpio import Input

CLASS = "presence"
PART = {"kind": "traffic", "channels": (), "source": SOURCE_PRESENCE, "classes": (CLASS,)}

# Looks of 50 ms
_SHORTEST = const(4)
# 10 s: its trimmer may stand a little off its stop; with its jumper at H it stays high while people come
_LONGEST = const(200)
_WARM_UP_S = const(60)


def open(_entry: "dict[str, Any]", bus: "Input", clock: "Clock") -> Contact:
    return Contact(bus, CLASS, clock, _SHORTEST, _LONGEST, _WARM_UP_S)
