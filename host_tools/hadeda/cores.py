"""The cores this process may use, and staying on one: who only ever takes turns with others is quicker on the same."""

import contextlib
import ctypes
import os
from collections.abc import Iterator


def usable() -> list[int]:
    """Their numbers."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


@contextlib.contextmanager
def on_one(core: int | None = None) -> Iterator[set[int]]:
    """This thread, and the processes it starts, on that core, or on the one it is on now; where the system can do so.

    Gives what it then may use.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield set(usable())
        return
    before = os.sched_getaffinity(0)
    here = {ctypes.CDLL(None).sched_getcpu() if core is None else core} & before or before
    os.sched_setaffinity(0, here)
    try:
        yield here
    finally:
        os.sched_setaffinity(0, before)
