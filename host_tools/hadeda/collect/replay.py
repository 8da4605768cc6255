"""Which sequence numbers of an epoch were accepted: all of them are remembered, so that none counts twice.

No sliding window: a report may come again, and for the first time, long after its successors, because a broker lost it.
An epoch has 65,536 numbers at the most, and in practice as many as a day has windows.
"""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Accepted:
    """`highest` sequence number accepted (-1: none yet); bit i of `seen` says whether i was."""

    highest: int = -1
    seen: int = 0

    @classmethod
    def from_bytes(cls, highest: int, seen: bytes) -> Self:
        """As the registry keeps it."""
        return cls(highest, int.from_bytes(seen, "big"))

    def to_bytes(self) -> bytes:
        """`seen`, big-endian, as long as it takes."""
        return self.seen.to_bytes((self.seen.bit_length() + 7) // 8, "big")

    @classmethod
    def closed_at(cls, sequence: int) -> Self:
        """Nothing up to `sequence` is taken any more."""
        return cls(sequence, (1 << sequence + 1) - 1)

    def __contains__(self, sequence: int) -> bool:
        return bool(self.seen >> sequence & 1)

    def including(self, sequence: int) -> "Accepted":
        """After `sequence`, too."""
        return Accepted(max(self.highest, sequence), self.seen | 1 << sequence)
