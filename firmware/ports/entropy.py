"""Noise from the board. It is true randomness only while the radio is on (ESP-IDF: random number generation)."""

import os
import time


def noise() -> bytes:
    """36 bytes: the hardware generator, and the moment it was asked."""
    ticks = time.ticks_us() & 0x3FFFFFFF  # type: ignore[operator]  # an int, whatever the stubs call it
    return os.urandom(32) + ticks.to_bytes(4, "big")
