"""The replay window: 64 sequence numbers are remembered, counted down from the highest.

The sliding window of RFC 8613 section 7.4 and RFC 4303 section 3.4.3.
"""

from dataclasses import dataclass
from typing import Final, Self

from hadeda.errors import REPLAYED, Rejected

SIZE: Final = 64
_MASK: Final = (1 << SIZE) - 1


@dataclass(frozen=True)
class ReplayWindow:
    """`highest` sequence number accepted (-1: none yet); bit i of `seen` says whether `highest - i` was accepted."""

    highest: int = -1
    seen: int = 0

    @classmethod
    def from_bytes(cls, highest: int, seen: bytes) -> Self:
        """As the registry keeps it."""
        return cls(highest, int.from_bytes(seen, "big"))

    def to_bytes(self) -> bytes:
        """`seen` in 8 bytes, big-endian."""
        return self.seen.to_bytes(SIZE // 8, "big")

    @classmethod
    def closed_at(cls, sequence: int) -> Self:
        """The window that takes nothing up to `sequence`, which counts as accepted itself."""
        return cls(sequence, _MASK)

    def admit(self, sequence: int) -> "ReplayWindow":
        """The window after `sequence`; raises Rejected where that was accepted before, or is too old to tell."""
        if sequence > self.highest:
            moved = min(sequence - self.highest, SIZE)
            return ReplayWindow(sequence, (self.seen << moved | 1) & _MASK)
        age = self.highest - sequence
        if age >= SIZE:
            raise Rejected("older than the replay window")
        if self.seen >> age & 1:
            raise Rejected(REPLAYED)
        return ReplayWindow(self.highest, self.seen | 1 << age)
