"""The SCD41's driver: right values, and no value at all when something is wrong."""

from firmware.fakes import Random
from firmware.sensirion_chip import Part
from firmware.sensor_run import flipping, run, stuck

from envelope import labels
from node.sample import fault_kind
from sensors import scd41, sensirion

_STOP, _START, _READY, _READ, _SERIAL = b"\x3f\x86", b"\x21\xb1", b"\xe4\xb8", b"\xec\x05", b"\x36\x82"
# The datasheet's examples: 500 ppm, 25 degC, 37 %; serial number 273325796834238
_MEASURED = b"\x01\xf4\x66\x67\x5e\xb9"
_NUMBER = b"\xf8\x96\x9f\x07\x3b\xbe"


class Scd41Part(Part):
    """As much of an SCD41 as the driver touches: idle, or measuring every five seconds."""

    def __init__(self, clock, measured=_MEASURED, serial=_NUMBER):
        answers = {
            _STOP: self._stop,
            _START: self._start,
            _READY: lambda _: b"\x80\x06" if self._waiting() else b"\x80\x00",
            _READ: self._read,
            _SERIAL: lambda _: None if self.started_ms is not None else self.serial,
        }
        super().__init__(clock, 0x62, answers)
        self.measured = measured
        self.serial = serial
        self.started_ms = None
        self.taken = 0
        self.deaf = False

    def _stop(self, _data):
        self.started_ms = None

    def _start(self, _data):
        self.started_ms = None if self.deaf else self.clock.now_ms
        self.taken = 0

    def _made(self):
        return 0 if self.started_ms is None else (self.clock.now_ms - self.started_ms) // 5000

    def _waiting(self):
        return self._made() > self.taken

    def _read(self, _data):
        if not self._waiting():
            return None
        self.taken = self._made()
        return self.measured


def _run(seconds=12, make=Scd41Part, prepare=None, during=None):
    return run(scd41, make, 0x62, seconds, prepare=prepare, during=during)


def test_the_datasheet_s_checksums():
    for text in (b"\xbe\xef\x92", b"\x03\xdb\x42", b"\x01\xf4\x33", b"\xf8\x96\x31", b"\x9f\x07\xc2", b"\x3b\xbe\x89"):
        assert sensirion.crc8(text, 0) == text[2]


def test_the_datasheet_s_example_is_500_ppm():
    readings, faults, _, _ = _run()
    assert readings == [(7, 500)]
    assert faults == []


def test_a_reading_every_period():
    readings, faults, _, part = _run(60)
    assert 5 <= len(readings) <= 6
    assert faults == []
    assert part.count(_START) == 1


def test_it_is_stopped_for_half_a_second_before_anything_else_is_asked():
    _, _, _, part = _run(prepare=lambda part: setattr(part, "started_ms", part.clock.now_ms - 3000))
    first, second = part.said[:2]
    assert (first[1], second[1]) == (_STOP, _SERIAL)
    assert second[0] - first[0] >= 500


def test_a_missing_part_is_no_answer():
    _, _, error, _ = _run(prepare=lambda part: setattr(part, "missing", True))
    assert fault_kind(error) == labels.FAULT_NO_ANSWER


def test_a_hung_bus_costs_a_bounded_time():
    _, _, error, part = _run(prepare=lambda part: setattr(part, "hung", True))
    assert fault_kind(error) == labels.FAULT_BUS_HUNG
    assert part.transactions == 1


def test_a_part_without_a_serial_number_is_implausible():
    _, _, error, _ = _run(prepare=lambda part: setattr(part, "serial", bytes(6)))
    assert fault_kind(error) == labels.FAULT_IMPLAUSIBLE


def test_a_part_that_never_measures_ends_the_driver():
    readings, _, error, part = _run(60, prepare=lambda part: setattr(part, "deaf", True))
    assert readings == []
    assert fault_kind(error) == labels.FAULT_BUS_HUNG
    assert part.count(_READY) < 20


def test_a_part_that_lost_its_power_ends_the_driver_which_starts_it_anew():
    def brown_out(part, out):
        if len(out.readings) == 2:
            part.started_ms = None

    readings, _, error, _ = _run(90, during=brown_out)
    assert len(readings) == 2
    assert fault_kind(error) == labels.FAULT_BUS_HUNG


def test_no_air_and_no_sensible_air_are_implausible():
    for measured in (bytes(6), b"\x00\xc7\x66\x67\x5e\xb9", b"\x9c\x41\x66\x67\x5e\xb9", b"\xff\xff\x66\x67\x5e\xb9"):
        readings, _, error, _ = _run(prepare=lambda part, measured=measured: setattr(part, "measured", measured))
        assert readings == []
        assert fault_kind(error) == labels.FAULT_IMPLAUSIBLE


def test_a_wrong_checksum_costs_one_reading():
    def damage(part, out):
        part.damage = stuck(0xFF) if len(out.readings) == 1 and not out.faults else None

    readings, faults, _, _ = _run(60, during=damage)
    assert faults == [labels.FAULT_BAD_FRAME]
    assert readings == [(7, 500)] * len(readings)
    assert len(readings) >= 4


def test_lines_stuck_high_or_low_give_no_value():
    for level in (0x00, 0xFF):

        def arm(part, out, level=level):
            if len(out.readings) >= 1:
                part.damage = stuck(level)

        readings, faults, _, _ = _run(60, during=arm)
        assert len(readings) == 1
        assert set(faults) == {labels.FAULT_BAD_FRAME}


def test_flipped_bits_never_give_another_value():
    given = 0
    for seed in range(1, 20):
        damage = flipping(Random(seed))
        readings, _, _, _ = _run(60, prepare=lambda part, damage=damage: setattr(part, "damage", damage))
        assert set(readings) <= {(7, 500)}
        given += len(readings)
    assert given > 20
