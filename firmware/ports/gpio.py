"""One pin that somebody outside holds high or low: what a contact or a detector's output hangs on."""

from machine import Pin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Input:
    """`entry` is the configuration's: pin, and pull, who holds it high where nobody else does: internal or external."""

    def __init__(self, entry: "dict[str, Any]") -> None:
        pull = Pin.PULL_UP if entry["pull"] == "internal" else None
        self._pin = Pin(entry["pin"], Pin.IN, pull)  # type: ignore[arg-type]  # None: no pull, whatever the stubs say

    def high(self) -> bool:
        """Its level now."""
        return bool(self._pin.value())
