"""One pin that somebody outside holds high or low: what a contact or a detector's output hangs on."""

from machine import Pin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Input:
    """`entry` is the configuration's: pin, and pull, internal or external: what holds it high where nobody else does."""

    def __init__(self, entry: "dict[str, Any]") -> None:
        self._pin = Pin(entry["pin"], Pin.IN, Pin.PULL_UP if entry["pull"] == "internal" else None)

    def high(self) -> bool:
        """Its level now."""
        return bool(self._pin.value())
