"""The bus of a secure element. It blocks: the node waits for a signature as long as it would compute one."""

import time

from machine import I2C, Pin
from micropython import const

_FREQ = const(100000)  # at which a byte of zeros holds the data line low for long enough to wake the chip


def open_bus(place: bytes) -> I2C:
    """`place` is the controller's number and the pins SCL and SDA, as a key's handle has them (elements/signer.py)."""
    return I2C(place[0], scl=Pin(place[1]), sda=Pin(place[2]), freq=_FREQ)


def wait_ms(milliseconds: int) -> None:
    """Nothing else runs meanwhile."""
    time.sleep_ms(milliseconds)
