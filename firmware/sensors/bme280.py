"""Bosch BME280: temperature, humidity and pressure, computed by Adafruit's unmodified CircuitPython driver.

The driver is told that the chip measures by itself, and gets its registers through `Registers`: one forced measurement
a period, fetched in one burst, as the datasheet has it (BST-BME280-DS002, sections 3.5.1 and 4). The chip has no
checksum anywhere, so three things guard against a value that only looks right: whatever is read is read twice and must
be the same, the chip must still be set as it was told, and its data must not be those of one that never measured.
Limits: sections 1.2 and 5.4.
"""

import errno

from adafruit_bme280.basic import MODE_NORMAL, Adafruit_BME280
from adafruit_bme280.protocol import I2C_Impl
from micropython import const

from envelope.labels import FAULT_IMPLAUSIBLE, FAULT_NO_ANSWER
from node.errors import SensorFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from busio import I2C
    from node.sample import Output
    from ports.clock import Clock

PART = {"kind": "air", "channels": (1, 2, 3)}

_CHANNELS = (1, 2, 3)  # temperature in 0.01 degC, humidity in 0.01 %, pressure in Pa

# Operating range of the chip
_RANGE = ((-4000, 8500), (0, 10000), (30000, 110000))

# What starts one measurement of everything at oversampling x1: ctrl_hum, ctrl_meas
_MEASURE = b"\xf2\x01\xf4\x25"
# From ctrl_hum, with status and ctrl_meas behind it, to the last of the data: one burst
_BURST = const(0xF2)
_BURST_FROM = b"\xf2"
_BURST_SIZE = const(13)
_STATUS = const(1)
_CTRL_MEAS = const(2)
_MEASURING = const(0x08)
_MODE = const(0x03)
# Pressure and temperature before any conversion (one of them alone, or humidity's, may be weather)
_DATA = const(5)
_NEVER = b"\x80\x00\x00\x80\x00\x00"

# Start: soft reset and calibration
_START_MS = const(200)
_START_TRANSACTIONS = const(60)
# At x1 a measurement takes 9.3 ms at most (section 9.1)
_MEASURE_MS = const(12)
_LOOKS = const(5)
_TRANSFER_MS = const(50)
_TRANSFERS = const(8)


def open(entry: "dict[str, Any]", bus: "I2C", clock: "Clock") -> "Bme280":
    return Bme280(bus, entry["address"], entry["period_s"], clock)


class Registers:
    """The chip as the driver sees it: what it measured stands still, what it is told it knows already.

    FAULT_IMPLAUSIBLE when the same register is two things.
    """

    def __init__(self, bus: "I2C", address: int) -> None:
        self._bus = bus
        self._address = address
        self._chip = I2C_Impl(bus, address)
        self._data = bytearray(_BURST_SIZE)
        self._again = bytearray(_BURST_SIZE)
        self.started = False

    def read_register(self, register: int, length: int) -> bytearray:
        if register >= _BURST:
            return self._data[register - _BURST : register - _BURST + length]
        value: bytearray = self._chip.read_register(register, length)
        if self._chip.read_register(register, length) != value:
            raise SensorFault(FAULT_IMPLAUSIBLE)
        return value

    def write_register_byte(self, register: int, value: int) -> None:
        if not self.started:
            self._chip.write_register_byte(register, value)

    def measure(self) -> None:
        """Let the chip measure once."""
        self._bus.writeto(self._address, _MEASURE)

    def fetch(self) -> bool:
        """Take the measurement over; False while the chip is at it."""
        data = self._data
        self._bus.writeto_then_readfrom(self._address, _BURST_FROM, data)
        if data[_STATUS] & _MEASURING:
            return False
        self._bus.writeto_then_readfrom(self._address, _BURST_FROM, self._again)
        # A chip that was reset behind our back, or never measured, holds a pattern that looks like weather
        told = data[0] == _MEASURE[1] and data[_CTRL_MEAS] | _MODE == _MEASURE[3] | _MODE
        never = data[_DATA : _DATA + len(_NEVER)] == _NEVER
        if not told or never or data != self._again:
            raise SensorFault(FAULT_IMPLAUSIBLE)
        return True


class Bme280:
    """One chip at `address`, read every `period_s` seconds."""

    def __init__(self, bus: "I2C", address: int, period_s: int, clock: "Clock") -> None:
        self._bus = bus
        self._address = address
        self._period_ms = max(1, period_s) * 1000
        self._clock = clock

    async def run(self, out: "Output") -> None:
        """Read for ever; an absent chip, a hung bus and a chip that is no BME280 raise."""
        registers, driver = self._start()
        while True:
            try:
                await self._measure(registers)
                self._pass_on(driver, out)
            except SensorFault as fault:
                out.fault(fault.kind)
            await self._clock.sleep_ms(self._period_ms)

    def _start(self) -> "tuple[Registers, Adafruit_BME280]":
        self._bus.allow(_START_MS, _START_TRANSACTIONS)
        try:
            registers = Registers(self._bus, self._address)
            driver = Adafruit_BME280(registers)
        except ValueError:  # nothing at this address
            raise self._bus.failure or SensorFault(FAULT_NO_ANSWER)
        except RuntimeError:  # something else at this address, or a bus full of noise
            raise SensorFault(FAULT_IMPLAUSIBLE)
        registers.started = True
        driver.mode = MODE_NORMAL  # so it asks for nothing and waits for nothing
        return registers, driver

    async def _measure(self, registers: Registers) -> None:
        self._bus.allow(_TRANSFER_MS, _TRANSFERS)
        registers.measure()
        for _ in range(_LOOKS):
            await self._clock.sleep_ms(_MEASURE_MS)
            self._bus.allow(_TRANSFER_MS, _TRANSFERS)
            if registers.fetch():
                return
        raise OSError(errno.ETIMEDOUT)

    def _pass_on(self, driver: Adafruit_BME280, out: "Output") -> None:
        try:
            values = [round(value * 100) for value in (driver.temperature, driver.humidity, driver.pressure)]
        except (ArithmeticError, ValueError):  # constants read as zeros, or not a number
            raise SensorFault(FAULT_IMPLAUSIBLE)
        for i, (low, high) in enumerate(_RANGE):
            if not low <= values[i] <= high:
                raise SensorFault(FAULT_IMPLAUSIBLE)
        for i, value in enumerate(values):
            out.reading(_CHANNELS[i], value)
