"""Bosch BME280: temperature, humidity and pressure, through Adafruit's unmodified CircuitPython driver.

The chip has no checksum anywhere, so two things guard against a value that only looks right: every reading is taken by
two drivers, each with calibration constants it read itself, which must agree; and the raw registers must not hold the
pattern of a measurement that never happened. Limits: BME280 datasheet, BST-BME280-DS002, sections 1.2 and 5.4.
"""

from adafruit_bme280.basic import OVERSCAN_X1, Adafruit_BME280_I2C
from micropython import const

from envelope.labels import FAULT_BUS_HUNG, FAULT_IMPLAUSIBLE, FAULT_NO_ANSWER
from node.errors import SensorFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from busio import I2C
    from node.sample import Output
    from ports.clock import Clock

PART = {"kind": "air", "channels": (1, 2, 3)}

_TEMPERATURE = const(1)  # 0.01 degC
_HUMIDITY = const(2)  # 0.01 %
_PRESSURE = const(3)  # Pa

# Operating range of the chip, in the channels' integers
_RANGE = {_TEMPERATURE: (-4000, 8500), _HUMIDITY: (0, 10000), _PRESSURE: (30000, 110000)}
# How far two conversions a few milliseconds apart may differ: far above noise at oversampling x1, far below nonsense
_AGREE = {_TEMPERATURE: 50, _HUMIDITY: 200, _PRESSURE: 50}

_DATA_REGISTER = b"\xf7"
# Registers 0xF7 to 0xFE before any conversion, or with a channel switched off
_PRESSURE_NEVER = b"\x80\x00\x00"
_HUMIDITY_NEVER = b"\x80\x00"

# Start: soft reset and calibration. One value: at x1 a conversion takes 9.3 ms at most (section 9.1)
_START_MS = const(200)
_START_TRANSACTIONS = const(60)
_VALUE_MS = const(100)
_VALUE_TRANSACTIONS = const(60)


def open(entry: "dict[str, Any]", bus: "I2C", clock: "Clock") -> "Bme280":
    return Bme280(bus, entry["address"], entry["period_s"], clock)


class Bme280:
    """One chip at `address`, read every `period_s` seconds."""

    def __init__(self, bus: "I2C", address: int, period_s: int, clock: "Clock") -> None:
        self._bus = bus
        self._address = address
        self._period_ms = max(1, period_s) * 1000
        self._clock = clock
        self._raw = bytearray(8)

    async def run(self, out: "Output") -> None:
        """Read for ever; an absent chip, a hung bus and a chip that is no BME280 raise."""
        first = self._start()
        await self._clock.sleep_ms(0)
        second = self._start()
        while True:
            try:
                await self._read(first, second, out)
            except SensorFault as fault:
                out.fault(fault.kind)
            await self._clock.sleep_ms(self._period_ms)

    def _start(self) -> Adafruit_BME280_I2C:
        self._bus.allow(_START_MS, _START_TRANSACTIONS)
        try:
            driver = Adafruit_BME280_I2C(self._bus, self._address)
        except ValueError:  # nothing at this address
            raise self._bus.failure or SensorFault(FAULT_NO_ANSWER)
        except RuntimeError:  # something else at this address, or a bus full of noise
            raise SensorFault(FAULT_IMPLAUSIBLE)
        # Weather monitoring as the datasheet recommends it (section 3.5.1): forced mode, everything at x1
        driver.overscan_pressure = OVERSCAN_X1
        return driver

    async def _read(self, first: Adafruit_BME280_I2C, second: Adafruit_BME280_I2C, out: "Output") -> None:
        values = []
        for channel in (_TEMPERATURE, _HUMIDITY, _PRESSURE):
            one = self._value(first, channel)
            await self._clock.sleep_ms(0)  # each value blocks for one conversion, not for six
            two = self._value(second, channel)
            await self._clock.sleep_ms(0)
            low, high = _RANGE[channel]
            if not low <= one <= high or abs(one - two) > _AGREE[channel]:
                raise SensorFault(FAULT_IMPLAUSIBLE)
            values.append(one)
        self._check_measured()
        out.reading(_TEMPERATURE, values[0])
        out.reading(_HUMIDITY, values[1])
        out.reading(_PRESSURE, values[2])

    def _value(self, driver: Adafruit_BME280_I2C, channel: int) -> int:
        """One conversion, as the channel's integer."""
        self._bus.allow(_VALUE_MS, _VALUE_TRANSACTIONS)
        try:
            if channel == _TEMPERATURE:
                return round(driver.temperature * 100)
            if channel == _HUMIDITY:
                return round(driver.humidity * 100)
            return round(driver.pressure * 100)
        except (ArithmeticError, ValueError):  # constants read as zeros, or not a number
            raise SensorFault(FAULT_IMPLAUSIBLE)

    def _check_measured(self) -> None:
        """A chip that was reset behind our back, or never measured, holds a fixed pattern that looks like weather."""
        self._bus.allow(_VALUE_MS, _VALUE_TRANSACTIONS)
        if not self._bus.try_lock():
            raise SensorFault(FAULT_BUS_HUNG)
        try:
            self._bus.writeto(self._address, _DATA_REGISTER)
            self._bus.readfrom_into(self._address, self._raw)
        finally:
            self._bus.unlock()
        raw = self._raw
        if raw[0:3] == _PRESSURE_NEVER or raw[3:6] == _PRESSURE_NEVER or raw[6:8] == _HUMIDITY_NEVER:
            raise SensorFault(FAULT_IMPLAUSIBLE)
