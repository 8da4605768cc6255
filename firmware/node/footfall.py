"""How many different devices the radio heard in a window: a sketch of their addresses that keeps none of them.

Linear counting (Whang, Vander-Zanden, Taylor, "A Linear-Time Probabilistic Counting Algorithm for Database
Applications", 1990): HMAC-SHA256 of an address, under a salt that lives one window, sets one of 1024 bits. What leaves
is the number of set bits plus discrete Laplace noise, never the bits; the city makes an estimate of it.

One address in one window changes at most one bit, so the sensitivity is 1, and that is the unit of privacy here: an
address, not a person. A device that changes its address within the window (resolvable private addresses: about every 15
minutes) is two of them, and is protected by twice the epsilon; a person may carry several devices, or none.

Salt, sketch and noise are in RAM only and overwritten at release. Passing copies of a salt or a hash that the
interpreter made are garbage of its heap until that is used again; they cannot be reached from any object.
"""

from hashlib import sha256

from micropython import const

from envelope.labels import WITHHELD_BELOW_K, WITHHELD_BUDGET
from node.noise import predraw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array

    from node.noise import Randomness

BITS = const(1024)
ADDRESS_SIZE = const(6)

_SALT = const(32)
_HASH_BLOCK = const(64)
_INNER = const(0x36)  # RFC 2104
_OUTER = const(0x5C)


class Footfall:
    """The sketch of the open window: `add` while it is open, `release` once. `k` and `epsilon` are the policy's.

    `withheld`: why nothing may be said of this window (labels.WITHHELD_*, such as a radio that failed), 0 if it may.
    """

    def __init__(self, k: int, epsilon: int) -> None:
        self._k = k
        self._epsilon = epsilon
        self._sketch = bytearray(BITS // 8)
        self._inner = bytearray(_HASH_BLOCK)  # the salt, as HMAC's two hashes begin with it
        self._outer = bytearray(_HASH_BLOCK)
        self._device = bytearray(1 + ADDRESS_SIZE)
        self._bits = 0
        self._noise: array[int] | None = None
        self.withheld = 0

    def open(self, drbg: "Randomness") -> None:
        """Begin a window: empty sketch, new salt, noise drawn. FaultDetected: the random source is stuck."""
        self.close()
        noise = predraw(drbg, self._epsilon, 1)
        salt = drbg.generate(_SALT)
        for i in range(_HASH_BLOCK):
            byte = salt[i] if i < _SALT else 0
            self._inner[i] = byte ^ _INNER
            self._outer[i] = byte ^ _OUTER
        self._noise = noise

    def add(self, address_type: int, address: "bytes | memoryview") -> None:
        """Take a device into the sketch. What is no address, and what comes while no window is open, is dropped."""
        if self._noise is None or len(address) != ADDRESS_SIZE:
            return
        device = self._device
        device[0] = address_type & 0xFF
        device[1:] = address
        inner = sha256(self._inner)
        inner.update(device)
        outer = sha256(self._outer)
        outer.update(inner.digest())
        digest = outer.digest()
        _clear(device)
        mask = 1 << (digest[1] & 7)
        at = digest[0] >> 1
        if not self._sketch[at] & mask:
            self._sketch[at] |= mask
            self._bits += 1

    def cost(self) -> int:
        """What `release` must be granted, in millionths of epsilon: nothing where nothing will be released."""
        return 0 if self.withheld or self._noise is None else self._epsilon

    def release(self, granted: bool) -> int:
        """The noised number of set bits, or labels.WITHHELD_* for why there is none. The window is over."""
        count = self.withheld or WITHHELD_BUDGET
        if granted and self._noise is not None and not self.withheld:
            noised = self._bits + self._noise[0]
            count = noised if noised >= self._k else WITHHELD_BELOW_K
        self.close()
        return count

    def close(self) -> None:
        """Forget the window."""
        if self._noise is not None:
            self._noise[0] = 0
        self._noise = None
        self._bits = 0
        self.withheld = 0
        for buffer in (self._sketch, self._inner, self._outer, self._device):
            _clear(buffer)


def _clear(buffer: bytearray) -> None:
    for i in range(len(buffer)):
        buffer[i] = 0
