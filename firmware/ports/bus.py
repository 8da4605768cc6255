"""Buses made from the configuration: a busio-shaped I2C, UARTs that are read when it is time to, plain inputs."""

from machine import I2C, UART, Pin
from micropython import const

from busio import I2C as BusioI2C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ports.clock import Clock
    from ports.gpio import Input

# The radar says up to 370 bytes a second, is listened to once in two, and signing holds the loop for about another
_RECEIVE_BUFFER = const(2048)


class Uart:
    """One UART. Nobody waits for it: what arrives waits in its buffer."""

    def __init__(self, uart: "Any") -> None:
        self._uart = uart

    def read_now(self, buffer: "bytearray | memoryview") -> int:
        """Put what has arrived, as much as fits, into the buffer. Returns the number of bytes."""
        return self._uart.readinto(buffer) or 0

    def write(self, data: bytes) -> None:
        """Goes through the transmit buffer (256 bytes); commands are far shorter."""
        self._uart.write(data)


def open_bus(entry: "dict[str, Any]", clock: "Clock") -> "BusioI2C | Uart | Input":
    """The bus of one entry of the configuration's `buses`."""
    if entry["kind"] == "i2c":
        i2c = I2C(entry["id"], scl=Pin(entry["scl"]), sda=Pin(entry["sda"]), freq=entry["freq"])
        return BusioI2C(i2c, clock)
    if entry["kind"] == "gpio":
        from ports.gpio import Input

        return Input(entry)
    uart = UART(
        entry["id"],
        baudrate=entry["baudrate"],
        tx=Pin(entry["tx"]),
        rx=Pin(entry["rx"]),
        rxbuf=_RECEIVE_BUFFER,
        timeout=0,
    )
    return Uart(uart)
