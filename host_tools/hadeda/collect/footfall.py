"""From the set bits of a node's sketch to about how many devices, and what that number does not mean."""

import math
from typing import Final

from hadeda.envelope import Count

SKETCH_BITS: Final = 1024
FULL_BITS: Final = 1016  # beyond, a bit of noise is worth hundreds of addresses
MANY: Final = 5000  # about what FULL_BITS stand for
MEANING: Final = (
    "different Bluetooth addresses heard, not people: phones change theirs about every 15 minutes, so one device may "
    "count twice in a window and again in the next; somebody may carry several devices, or none; what stands nearby "
    "counts in every window"
)


def estimate(bits: int) -> int | None:
    """About how many addresses set so many bits, by linear counting: m ln(m / (m - b)); None for a full sketch.

    `bits` carry noise. Each bit of it is worth m / (m - b) addresses here: more, the fuller the sketch.
    """
    if bits > FULL_BITS:
        return None
    return round(SKETCH_BITS * math.log(SKETCH_BITS / (SKETCH_BITS - max(0, bits))))


def about(footfall: Count) -> str:
    """The number as people read it: "about 313", "more than 5000", or that it is withheld."""
    if footfall.count is None:
        return "withheld"
    devices = estimate(footfall.count)
    return f"more than {MANY}" if devices is None else f"about {devices}"
