"""The node's random generator: seeded at provisioning by host and hardware, carried over resets, never repeated.

A stored state starts one life: its successor is in NVS before the first byte is drawn from it.
"""

from envelope.drbg import Drbg

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_STATE_KEY = "drbg"


class Randomness:
    """`noise` returns fresh bytes from the hardware (true randomness while the radio is on)."""

    def __init__(self, nvs: "Any", noise: "Callable[[], bytes]", personal: bytes, host_entropy: bytes = b"") -> None:
        self._nvs = nvs
        self._noise = noise
        carried = nvs.get(_STATE_KEY) or b""
        self.drbg = Drbg(noise() + carried + host_entropy, personal)
        nvs.set(_STATE_KEY, self.drbg.state())

    def reseed(self) -> None:
        """Mix fresh noise in; called when the radio is on."""
        self.drbg.reseed(self._noise())
        self._nvs.set(_STATE_KEY, self.drbg.state())

    def below(self, limit: int) -> int:
        """An integer in [0, limit), for slots and pauses (not exactly uniform; limit far below 2**32)."""
        return int.from_bytes(self.drbg.generate(4), "big") % limit
