# mypy: ignore-errors
"""MicroPython that runs under QEMU: counts instructions with the RISC-V machine timer.

Every call of `cost` prints one line, "name instructions"; the host makes the table (figures.py). The timer counts
instructions by hundreds under `-icount shift=0`, and reading it is subtracted.
"""

import gc

from machine import mem32

MTIME = 0x0200BFF8
INSTRUCTIONS_A_TICK = 100


def ticks(action):
    """Ticks of the machine timer that `action()` takes, on a heap that has just been collected."""
    gc.collect()
    start = mem32[MTIME]
    action()
    return mem32[MTIME] - start


EMPTY = ticks(lambda: None)


def cost(name, action):
    """Print what `action()` takes, in instructions."""
    print(name, (ticks(action) - EMPTY) * INSTRUCTIONS_A_TICK)


def drbg(number):
    """A generator of its own for every key, the same in every run."""
    from envelope.drbg import Drbg

    return Drbg(number.to_bytes(32, "big"), b"hadeda bench")
