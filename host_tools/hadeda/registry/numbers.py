"""Numbers that are never used twice, not even by a registry restored from a backup: they count on from the time."""

from datetime import UTC, datetime
from typing import Final

from hadeda import randomness

END: Final = 1 << 40  # five bytes: a letter's partial IV, a command's number
START: Final = datetime(2020, 1, 1, tzinfo=UTC)


def deciseconds(now: datetime) -> int:
    """Tenths of a second since 2020, at least 1."""
    return max(1, int((now - START).total_seconds() * 10))


def next_number(last: int, now: datetime) -> int:
    """The number after `last`. Holds as long as the clock does not go back and no more than ten a second are used."""
    return max(last + 1, deciseconds(now))


def far_above(last: int, now: datetime) -> int:
    """A number to go on from when `last` may be out of date: at random, up to a quarter of the way to the end.

    It holds where `next_number` does not: more than ten a second were used, or the same backup is restored twice.
    """
    base = next_number(last, now)
    return base + randomness.below(max(1, (END - base) // 4))
