"""The BME280 through Adafruit's unmodified driver: right values, and no value at all when something is wrong."""

import asyncio
import errno
import os
import sys

from firmware.fakes import Output, Random, SelfRunningClock, raises

if sys.implementation.name == "micropython":
    # The driver as PyPI installs it, compiled on the fly
    for _folder in os.listdir(".venv/lib"):  # noqa: PTH208
        sys.path.append(".venv/lib/" + _folder + "/site-packages")

from busio import I2C
from envelope import labels
from node.sample import fault_kind
from sensors import bme280

# Bosch's worked example: 25.08 degC and 100653 Pa (BMP280 datasheet section 3.12, same constants in a BME280)
_CALIBRATION = (27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
_RAW_TEMPERATURE = 519888
_RAW_PRESSURE = 415148
_RAW_HUMIDITY = 30000


class Chip:
    """As much of a BME280 as the driver touches, at address 0x76; a machine.I2C and the chip on it in one."""

    def __init__(self, clock):
        self.clock = clock
        self.registers = bytearray(256)
        self.registers[0xD0] = 0x60
        at = 0x88
        for value in _CALIBRATION:
            self._put(at, value)
            at += 2
        self.registers[0xA1] = 75
        self._put(0xE1, 370)
        self.registers[0xE3] = 0
        self.registers[0xE4] = 313 >> 4
        self.registers[0xE5] = (313 & 0xF) | (50 & 0xF) << 4
        self.registers[0xE6] = 50 >> 4
        self.registers[0xE7] = 30
        self.pointer = 0
        self.busy_polls = 0
        self.busy_for = 3
        self.missing = False
        self.hung = False
        self.asleep = False
        self.damage = None
        self.transactions = 0
        self.raw = (_RAW_PRESSURE, _RAW_TEMPERATURE, _RAW_HUMIDITY)
        self.reset()

    def _put(self, at, value):
        self.registers[at] = value & 0xFF
        self.registers[at + 1] = value >> 8 & 0xFF

    def reset(self):
        self.registers[0xF2] = self.registers[0xF4] = 0
        self.registers[0xF7:0xFF] = b"\x80\x00\x00\x80\x00\x00\x80\x00"

    def _measure(self):
        if self.asleep:
            return
        for at, raw in ((0xF7, self.raw[0]), (0xFA, self.raw[1])):
            self.registers[at : at + 3] = (raw << 4).to_bytes(3, "big")
        self.registers[0xFD:0xFF] = self.raw[2].to_bytes(2, "big")
        self.busy_polls = self.busy_for

    def _transact(self, address):
        self.transactions += 1
        if self.hung:
            self.clock.now_ms += 50
            raise OSError(errno.ETIMEDOUT)
        if self.missing or address != 0x76:
            raise OSError(errno.ENODEV)
        self.clock.now_ms += 1

    def writeto(self, address, data, _stop=True):
        self._transact(address)
        data = bytes(data)
        if data:
            self.pointer = data[0]
        for at in range(1, len(data), 2):
            register = data[at - 1]
            if register == 0xE0:
                self.reset()
            else:
                self.registers[register] = data[at]
            if register == 0xF4 and data[at] & 3 == 1:
                self._measure()
        return 1 + len(data)

    def readfrom_mem_into(self, address, register, buffer):
        self.writeto(address, bytes((register,)), False)
        self.readfrom_into(address, buffer)

    def readfrom_into(self, address, buffer):
        self._transact(address)
        if self.pointer <= 0xF3 < self.pointer + len(buffer):
            self.registers[0xF3] = 8 if self.busy_polls else 0
            self.busy_polls = max(0, self.busy_polls - 1)
        data = bytearray(self.registers[self.pointer : self.pointer + len(buffer)])
        if self.damage is not None:
            self.damage(self.pointer, data)
        buffer[:] = data


def _run(prepare=None, readings=1, during=None):
    """Run the driver for some periods; returns (readings, faults, error it ended with, chip)."""

    async def scene():
        clock = SelfRunningClock()
        chip = Chip(clock)
        if prepare is not None:
            prepare(chip)
        driver = bme280.open({"address": 0x76, "period_s": 10}, I2C(chip, clock), clock)
        out = Output()
        task = asyncio.create_task(driver.run(out))
        error = None
        for _ in range(4000):
            await asyncio.sleep(0)
            if during is not None:
                during(chip, out)
            if clock.now_ms > 10000 * readings or task.done():
                break
        try:
            task.cancel()
            await task
        except asyncio.CancelledError:
            pass
        except Exception as raised:
            error = raised
        return out.readings, out.faults, error, chip

    return asyncio.run(scene())


def test_the_worked_example_of_the_datasheet():
    readings, faults, _, _ = _run()
    values = dict(readings)
    assert values[1] == 2508
    assert abs(values[3] - 100653) <= 2
    assert 0 < values[2] < 10000
    assert faults == []


def test_a_reading_every_period():
    readings, faults, _, _ = _run(readings=5)
    assert (len(readings), faults) == (15, [])


def test_a_missing_chip_is_no_answer():
    _, _, error, _ = _run(lambda chip: setattr(chip, "missing", True))
    assert fault_kind(error) == labels.FAULT_NO_ANSWER


def test_a_hung_bus_costs_a_bounded_time():
    def hang(chip):
        chip.hung = True

    _, _, error, chip = _run(hang)
    assert fault_kind(error) == labels.FAULT_BUS_HUNG
    assert chip.transactions < 10


def test_another_chip_at_the_address_is_implausible():
    def bmp280(chip):
        chip.registers[0xD0] = 0x58

    _, _, error, _ = _run(bmp280)
    assert fault_kind(error) == labels.FAULT_IMPLAUSIBLE


def test_a_chip_that_never_finishes_measuring_meets_the_deadline():
    readings, _, error, chip = _run(lambda chip: setattr(chip, "busy_for", 1 << 30))
    assert readings == []
    assert fault_kind(error) == labels.FAULT_BUS_HUNG
    assert chip.transactions < 400


def test_a_chip_that_never_measures_gives_no_weather():
    readings, faults, _, _ = _run(lambda chip: setattr(chip, "asleep", True), readings=2)
    assert readings == []
    assert set(faults) == {labels.FAULT_IMPLAUSIBLE}


def test_weather_in_the_middle_of_a_channels_scale_is_weather():
    for raw in ((_RAW_PRESSURE, _RAW_TEMPERATURE, 0x8000), (0x80000, _RAW_TEMPERATURE, _RAW_HUMIDITY)):
        readings, faults, _, _ = _run(lambda chip, raw=raw: setattr(chip, "raw", raw), readings=2)
        assert (len(readings), faults) == (6, [])


def test_a_channel_that_is_switched_off_gives_no_weather():
    def forget(chip, _out):
        chip.registers[0xF2] = 0

    readings, faults, _, _ = _run(readings=2, during=forget)
    assert readings == []
    assert set(faults) == {labels.FAULT_IMPLAUSIBLE}


def test_a_chip_that_is_reset_while_it_measures_gives_no_weather():
    def dip(chip, _out):
        if chip.registers[0xF4]:
            chip.reset()
            chip.busy_polls = 0

    readings, faults, _, _ = _run(readings=2, during=dip)
    assert readings == []
    assert set(faults) == {labels.FAULT_IMPLAUSIBLE}


def test_a_chip_unplugged_between_readings_ends_the_driver():
    def unplug(chip, out):
        chip.missing = len(out.readings) >= 3

    readings, _, error, _ = _run(readings=3, during=unplug)
    assert len(readings) == 3
    assert fault_kind(error) == labels.FAULT_NO_ANSWER


def test_lines_stuck_high_or_low_give_no_value():
    def stuck(level):
        def damage(_pointer, data):
            for i in range(len(data)):
                data[i] = level

        return damage

    for damage in (stuck(0x00), stuck(0xFF)):

        def arm(chip, out, damage=damage):
            if len(out.readings) >= 3 and chip.damage is None:
                chip.damage = damage

        readings, faults, error, _ = _run(readings=4, during=arm)
        assert len(readings) == 3
        assert faults or error is not None


def test_flipped_bits_never_give_a_value_that_only_looks_right():
    def flipping(random):
        def flip(_pointer, data):
            if random.below(10) == 0:
                data[random.below(len(data))] ^= 1 << random.below(8)

        return flip

    for seed in range(1, 40):
        flip = flipping(Random(seed))
        readings, _, _, _ = _run(lambda chip, flip=flip: setattr(chip, "damage", flip), readings=3)
        for channel, value in readings:
            right = {1: 2508, 2: 4500, 3: 100653}[channel]
            tolerance = {1: 60, 2: 1500, 3: 120}[channel]
            assert abs(value - right) <= tolerance, (seed, channel, value)


def test_the_bus_is_free_again_after_a_failure():
    def flicker(chip, out):
        chip.missing = len(out.readings) == 3

    clock = SelfRunningClock()
    chip = Chip(clock)
    bus = I2C(chip, clock)
    _run(during=flicker)
    bus.allow(100, 5)
    assert bus.try_lock()


def test_the_shim_slices_and_repeats_start():
    clock = SelfRunningClock()
    bus = I2C(Chip(clock), clock)
    bus.allow(1000, 10)
    answer = bytearray(4)
    bus.writeto_then_readfrom(0x76, b"\x00\xd0\x00", answer, out_start=1, out_end=2, in_start=2, in_end=3)
    assert answer == b"\x00\x00\x60\x00"
    bus.readfrom_into(0x76, answer, start=1, end=2)
    assert answer == b"\x00\x60\x60\x00"


def test_the_shim_ends_a_spinning_driver():
    clock = SelfRunningClock()
    bus = I2C(Chip(clock), clock)
    bus.allow(1000, 10)
    assert bus.try_lock()

    def spin():
        while not bus.try_lock():
            pass

    assert raises(OSError, spin).args[0] == errno.ETIMEDOUT
