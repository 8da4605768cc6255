"""The noise of released counts: the discrete Laplace law, exactly, in integers.

P(X = x) = (1 - p) / (1 + p) * p^|x| with p = exp(-epsilon), sampled as in Canonne, Kamath, Steinke, "The Discrete
Gaussian for Differential Privacy" (2020, arXiv 2004.00010), Algorithms 1 and 2. No float, no rounding, no tail cut off.

The paper's loops end with probability 1; here each ends after 256 turns, with an error. Nobody will see it: one more
turn follows with probability at most 1/2 (a random number out of range), 1/k (Algorithm 1, turn k), exp(-1) (the
geometric part) and 1 - (1 - 1/e) / 2 < 0.685 (Algorithm 2's fresh starts), so the likeliest of them gets to turn 256
once in 2^140 draws. Whoever does see it has a random source that is stuck, and then nothing may be released.
"""

from array import array

from micropython import const

from envelope.errors import FaultDetected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Randomness(Protocol):
        """What envelope.drbg.Drbg is to this module."""

        def generate(self, n: int) -> bytes: ...


MICRO = const(1000000)
EPSILON_MAX = const(20000000)

# Four HMACs and two more for the generator's update; eight cells need about 70 bytes at epsilon 0.5, 1 or 2
_BLOCK = const(128)
_TURNS = const(256)


def predraw(drbg: "Randomness", epsilon_micro: int, count: int) -> "array[int]":
    """Return `count` independent draws for counts of sensitivity 1, each of which then costs `epsilon_micro` / 10^6.

    `epsilon_micro` is 1 to 20,000,000, else ValueError. FaultDetected: the random source is stuck.
    Draws belong to one window: made when it opens, so that the time they take says nothing about what is in it, kept
    in RAM, added once. Overwrite them afterwards: released count minus noise is the count.
    """
    if not isinstance(epsilon_micro, int) or not 1 <= epsilon_micro <= EPSILON_MAX:
        raise ValueError("epsilon is 1 to 20000000 millionths")
    common, rest = MICRO, epsilon_micro
    while rest:  # Euclid's: small terms need few random bytes
        common, rest = rest, common % rest
    laplace = DiscreteLaplace(Uniform(drbg), epsilon_micro // common, MICRO // common)
    noise = array("i", (0,) * count)
    for i in range(count):
        noise[i] = laplace.draw()
    return noise


class Uniform:
    """Random integers from a generator's bytes, which are asked for in blocks and used once."""

    def __init__(self, drbg: "Randomness") -> None:
        self._drbg = drbg
        self._bytes = b""
        self._at = 0

    def below(self, n: int) -> int:
        """One of 0 .. n - 1, equally likely; n is at most 2^28. What is out of range is thrown away, never folded."""
        mask = size = 0
        while mask < n - 1:
            mask = mask << 1 | 1
        while mask >> 8 * size:
            size += 1
        for _ in range(_TURNS):
            value = self._take(size) & mask
            if value < n:
                return value
        raise FaultDetected("random source")

    def _take(self, size: int) -> int:
        """The next `size` bytes as a number."""
        if self._at + size > len(self._bytes):
            self._bytes = self._drbg.generate(_BLOCK)
            self._at = 0
        value = 0
        for _ in range(size):
            value = value << 8 | self._bytes[self._at]
            self._at += 1
        return value


class DiscreteLaplace:
    """The law with epsilon = numerator / denominator, in lowest terms; the denominator is at most 10^6."""

    def __init__(self, uniform: Uniform, numerator: int, denominator: int) -> None:
        self._uniform = uniform
        self._numerator = numerator
        self._denominator = denominator

    def draw(self) -> int:
        """One draw; its magnitude is below 2^28."""
        for _ in range(_TURNS):
            value = self._attempt()
            if value is not None:
                return value
        raise FaultDetected("random source")

    def _attempt(self) -> "int | None":
        """One turn of Algorithm 2's loop; None when it starts afresh."""
        low = self._uniform.below(self._denominator)
        if not self._decays(low, self._denominator):
            return None
        high = self._geometric()
        magnitude = (low + self._denominator * high) // self._numerator
        if self._uniform.below(2):
            return -magnitude if magnitude else None  # zero would count twice
        return magnitude

    def _geometric(self) -> int:
        """How often in a row exp(-1) comes up."""
        for n in range(_TURNS):
            if not self._decays(1, 1):
                return n
        raise FaultDetected("random source")

    def _decays(self, numerator: int, denominator: int) -> bool:
        """Algorithm 1: True with probability exp(-numerator / denominator), which is between exp(-1) and 1."""
        for k in range(1, _TURNS + 1):
            if self._uniform.below(denominator * k) >= numerator:
                return k % 2 == 1
        raise FaultDetected("random source")
