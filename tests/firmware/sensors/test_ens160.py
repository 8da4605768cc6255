"""The ENS160's driver: TVOC when the part says it is valid, and no value at all when something is wrong."""

import errno

from firmware.fakes import Random
from firmware.sensor_run import flipping, run, stuck

from envelope import labels
from node.sample import fault_kind
from sensors import ens160

_NORMAL, _WARMING_UP, _FIRST_HOUR, _INVALID = 0x80, 0x84, 0x88, 0x8C
_TVOC_PPB = 300


class Ens160Part:
    """As much of an ENS160 as the driver touches, at address 0x53; a machine.I2C and the part on it in one."""

    def __init__(self, clock):
        self.clock = clock
        self.registers = bytearray(64)
        self.registers[0x00:0x02] = b"\x60\x01"
        self.registers[0x20:0x24] = bytes((_NORMAL, 3, _TVOC_PPB & 0xFF, _TVOC_PPB >> 8))
        self.pointer = 0
        self.new = True
        self.missing = False
        self.hung = False
        self.damage = None
        self.transactions = 0
        self.modes = []

    def _transact(self, address):
        self.transactions += 1
        if self.hung:
            self.clock.now_ms += 50
            raise OSError(errno.ETIMEDOUT)
        if self.missing or address != 0x53:
            raise OSError(errno.ENODEV)
        self.clock.now_ms += 1

    def writeto(self, address, data, _stop=True):
        self._transact(address)
        data = bytes(data)
        self.pointer = data[0]
        if len(data) == 2 and data[0] == 0x10:
            self.modes.append(data[1])
            self.registers[0x10] = data[1]
        return 1 + len(data)

    def readfrom_mem_into(self, address, register, buffer):
        self.writeto(address, bytes((register,)), False)
        self.readfrom_into(address, buffer)

    def readfrom_into(self, address, buffer):
        self._transact(address)
        data = bytearray(self.registers[self.pointer : self.pointer + len(buffer)])
        if self.pointer == 0x20 and self.new:
            data[0] |= 2
            self.new = False
        if self.damage is not None:
            self.damage(data)
        buffer[:] = data


def _run(seconds=5, prepare=None, during=None):
    return run(ens160, Ens160Part, 0x53, seconds, prepare=prepare, during=during)


def _status(value):
    def set_it(part):
        part.registers[0x20] = value

    return set_it


def test_tvoc_in_ppb():
    readings, faults, _, part = _run()
    assert readings == [(8, _TVOC_PPB)]
    assert faults == []
    assert part.modes == [2]


def test_a_reading_every_period():
    readings, faults, _, part = _run(60)
    assert 5 <= len(readings) <= 7
    assert faults == []
    assert part.modes == [2]


def test_one_that_runs_is_not_started_again():
    def running(part):
        part.registers[0x10] = 2

    readings, _, _, part = _run(prepare=running)
    assert readings == [(8, _TVOC_PPB)]
    assert part.modes == []


def test_nothing_is_told_while_it_warms_up_and_in_its_first_hour():
    for status in (_WARMING_UP, _FIRST_HOUR):
        readings, faults, error, _ = _run(60, _status(status))
        assert (readings, faults, error) == ([], [], None)


def test_what_it_calls_invalid_or_an_error_is_implausible():
    for status in (_INVALID, _NORMAL | 0x40):
        readings, _, error, _ = _run(prepare=_status(status))
        assert readings == []
        assert fault_kind(error) == labels.FAULT_IMPLAUSIBLE


def test_more_than_it_can_measure_is_implausible():
    def absurd(part):
        part.registers[0x22:0x24] = b"\xff\xff"

    readings, _, error, _ = _run(prepare=absurd)
    assert readings == []
    assert fault_kind(error) == labels.FAULT_IMPLAUSIBLE


def test_a_part_that_lost_its_power_ends_the_driver_which_starts_it_anew():
    def brown_out(part, out):
        if len(out.readings) == 2:
            part.registers[0x20:0x24] = bytes(4)

    readings, _, error, _ = _run(60, during=brown_out)
    assert len(readings) == 2
    assert fault_kind(error) == labels.FAULT_BUS_HUNG


def test_another_part_at_the_address_is_implausible():
    def aht21(part):
        part.registers[0x00:0x02] = b"\x61\x01"

    readings, _, error, part = _run(prepare=aht21)
    assert readings == []
    assert fault_kind(error) == labels.FAULT_IMPLAUSIBLE
    assert part.modes == []


def test_a_missing_part_is_no_answer():
    _, _, error, _ = _run(prepare=lambda part: setattr(part, "missing", True))
    assert fault_kind(error) == labels.FAULT_NO_ANSWER


def test_a_hung_bus_costs_a_bounded_time():
    _, _, error, part = _run(prepare=lambda part: setattr(part, "hung", True))
    assert fault_kind(error) == labels.FAULT_BUS_HUNG
    assert part.transactions == 1


def test_lines_stuck_high_or_low_give_no_value():
    for level in (0x00, 0xFF):

        def arm(part, out, level=level):
            if len(out.readings) >= 1:
                part.damage = stuck(level)

        readings, faults, error, _ = _run(60, during=arm)
        assert len(readings) == 1
        assert faults or error is not None


def test_data_that_are_never_twice_the_same_are_a_bad_frame():
    def noise(part, out):
        random = Random(5)

        def damage(data):
            data[:] = random.generate(len(data))

        if len(out.readings) == 1 and part.damage is None:
            part.damage = damage

    readings, faults, _, _ = _run(60, during=noise)
    assert len(readings) == 1
    assert set(faults) == {labels.FAULT_BAD_FRAME}


def test_flipped_bits_never_give_another_value():
    given = 0
    for seed in range(1, 20):
        damage = flipping(Random(seed))
        readings, _, _, _ = _run(60, prepare=lambda part, damage=damage: setattr(part, "damage", damage))
        assert set(readings) <= {(8, _TVOC_PPB)}
        given += len(readings)
    assert given > 40
