"""The SPS30's driver: right values, and no value at all when something is wrong."""

import struct

from firmware.fakes import Random
from firmware.sensirion_chip import Part
from firmware.sensor_run import flipping, run, stuck

from envelope import labels
from node.sample import fault_kind
from sensors import sps30

_STOP, _START, _READY, _READ = b"\x01\x04", b"\x00\x10", b"\x02\x02", b"\x03\x00"
_TYPE, _STATUS, _CLEAR = b"\xd0\x02", b"\xd2\x06", b"\xd2\x10"
_RIGHT = [(4, 51), (5, 73), (6, 98)]


class Sps30Part(Part):
    """As much of an SPS30 as the driver touches: a measurement a second while it runs."""

    def __init__(self, clock):
        answers = {
            _STOP: self._stop,
            _START: self._start,
            _READY: lambda _: bytes((0, 1 if self._made() > self.taken else 0)),
            _READ: self._read,
            _TYPE: lambda _: self.type,
            _STATUS: lambda _: self.status.to_bytes(4, "big"),
            _CLEAR: self._clear,
        }
        super().__init__(clock, 0x69, answers)
        self.values = (5.1, 7.3, 8.6, 9.8)
        self.type = b"00080000"
        self.status = 0
        self.started_ms = None
        self.taken = 0
        self.cleaning = False

    def _clear(self, _data):
        self.status = 0

    def _stop(self, _data):
        self.started_ms = None

    def _start(self, data):
        assert data[2:] == b"\x03\x00\xac"
        self.started_ms = self.clock.now_ms
        self.taken = 0

    def _made(self):
        if self.started_ms is None or self.cleaning:
            return 0
        return (self.clock.now_ms - self.started_ms) // 1000

    def _read(self, _data):
        self.taken = self._made()
        return struct.pack(">10f", *self.values, 1.0, 2.0, 3.0, 4.0, 5.0, 0.5)


def _run(seconds=35, prepare=None, during=None):
    return run(sps30, Sps30Part, 0x69, seconds, prepare=prepare, during=during)


def test_masses_in_tenths():
    readings, faults, _, _ = _run()
    assert readings == _RIGHT
    assert faults == []


def test_nothing_is_said_before_it_is_warm():
    readings, _, _, part = _run()
    started = [at for at, data in part.said if data[:2] == _START]
    read = [at for at, data in part.said if data == _READ]
    assert readings
    assert read[0] - started[0] >= 30000


def test_a_reading_every_period():
    readings, faults, _, part = _run(92)
    assert 5 * 3 <= len(readings) <= 7 * 3
    assert faults == []
    assert part.count(_START) == 1


def test_a_missing_part_is_no_answer():
    _, _, error, _ = _run(prepare=lambda part: setattr(part, "missing", True))
    assert fault_kind(error) == labels.FAULT_NO_ANSWER


def test_a_hung_bus_costs_a_bounded_time():
    _, _, error, part = _run(prepare=lambda part: setattr(part, "hung", True))
    assert fault_kind(error) == labels.FAULT_BUS_HUNG
    assert part.transactions == 1


def test_another_part_at_the_address_is_implausible():
    readings, _, error, part = _run(prepare=lambda part: setattr(part, "type", b"00080001"))
    assert readings == []
    assert fault_kind(error) == labels.FAULT_IMPLAUSIBLE
    assert part.count(_START) == 0


def test_a_cleaning_of_the_fan_costs_no_fault():
    cleaned = []

    def clean(part, out):
        if len(out.readings) == 6 and not cleaned:
            cleaned.append(part.clock.now_ms + 10000)
        part.cleaning = bool(cleaned) and part.clock.now_ms < cleaned[0]

    readings, faults, error, _ = _run(92, during=clean)
    assert cleaned
    assert readings == _RIGHT * (len(readings) // 3)
    assert len(readings) >= 12
    assert (faults, error) == ([], None)


def test_a_part_that_lost_its_power_ends_the_driver_which_starts_it_anew():
    def brown_out(part, out):
        if len(out.readings) == 6:
            part.started_ms = None

    readings, _, error, part = _run(120, during=brown_out)
    assert len(readings) == 6
    assert fault_kind(error) == labels.FAULT_BUS_HUNG
    assert part.count(_READY) < 60


def test_a_broken_fan_or_laser_gives_no_value():
    for bit in (21, 5, 4):

        def fail(part, out, bit=bit):
            part.status = 1 << bit if len(out.readings) >= 3 else 0

        readings, _, error, _ = _run(60, during=fail)
        assert readings == _RIGHT
        assert fault_kind(error) == labels.FAULT_IMPLAUSIBLE


def test_what_the_part_said_of_itself_before_the_start_is_cleared():
    readings, _, error, part = _run(prepare=lambda part: setattr(part, "status", 1 << 4))
    assert readings == _RIGHT
    assert error is None
    assert part.count(_CLEAR) == 1


def test_numbers_that_are_no_mass_are_implausible():
    for value in (float("nan"), float("inf"), -1.0, 1000.5):
        readings, _, error, _ = _run(prepare=lambda part, value=value: setattr(part, "values", (5.1, 7.3, 8.6, value)))
        assert readings == []
        assert fault_kind(error) == labels.FAULT_IMPLAUSIBLE


def test_a_wrong_checksum_costs_one_reading():
    def damage(part, out):
        part.damage = stuck(0x00) if len(out.readings) == 3 and not out.faults else None

    readings, faults, _, _ = _run(92, during=damage)
    assert faults == [labels.FAULT_BAD_FRAME]
    assert readings == _RIGHT * (len(readings) // 3)
    assert len(readings) >= 12


def test_flipped_bits_never_give_another_value():
    given = 0
    for seed in range(1, 12):
        damage = flipping(Random(seed), 30)
        readings, _, _, _ = _run(120, prepare=lambda part, damage=damage: setattr(part, "damage", damage))
        assert set(readings) <= set(_RIGHT)
        given += len(readings)
    assert given > 60
