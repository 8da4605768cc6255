"""Buses made from the configuration: a busio-shaped I2C, and UARTs that asyncio can wait for."""

import asyncio

from machine import I2C, UART, Pin
from micropython import const

from busio import I2C as BusioI2C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ports.clock import Clock

# Signing holds the loop for about a second: the radar (10 frames a second of up to 37 bytes) must fit meanwhile
_RECEIVE_BUFFER = const(1024)


class Uart:
    """One UART: waits in asyncio, never in a read."""

    def __init__(self, uart: "Any") -> None:
        self._uart = uart
        self._reader = asyncio.StreamReader(uart)

    async def read(self, buffer: bytearray) -> int:
        """Wait until something has arrived, then put what fits into the buffer. Returns the number of bytes."""
        return await self._reader.readinto(buffer) or 0

    def read_now(self, buffer: bytearray) -> int:
        """What has arrived already, 0 when nothing has."""
        if not self._uart.any():
            return 0
        return self._uart.readinto(buffer) or 0

    def write(self, data: bytes) -> None:
        """Goes through the transmit buffer (256 bytes); commands are far shorter."""
        self._uart.write(data)


def open_bus(entry: "dict[str, Any]", clock: "Clock") -> "BusioI2C | Uart":
    """The bus of one entry of the configuration's `buses`."""
    if entry["kind"] == "i2c":
        i2c = I2C(entry["id"], scl=Pin(entry["scl"]), sda=Pin(entry["sda"]), freq=entry["freq"])
        return BusioI2C(i2c, clock)
    uart = UART(
        entry["id"],
        baudrate=entry["baudrate"],
        tx=Pin(entry["tx"]),
        rx=Pin(entry["rx"]),
        rxbuf=_RECEIVE_BUFFER,
        timeout=0,
    )
    return Uart(uart)
