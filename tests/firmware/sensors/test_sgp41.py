"""The SGP41's driver: its raw signals, never too much heat, and no value at all when something is wrong."""

from firmware.fakes import Random
from firmware.sensirion_chip import Part, word
from firmware.sensor_run import flipping, run, stuck

from envelope import labels
from node.sample import fault_kind
from sensors import sgp41

_OFF, _SERIAL, _CONDITION, _MEASURE = b"\x36\x15", b"\x36\x82", b"\x26\x12", b"\x26\x19"
_RIGHT = [(9, 0x6478), (10, 0x3D28)]


class Sgp41Part(Part):
    """As much of an SGP41 as the driver touches."""

    def __init__(self, clock):
        answers = {
            _OFF: self._off,
            _SERIAL: lambda _: self.serial,
            _CONDITION: self._condition,
            _MEASURE: self._measure,
        }
        super().__init__(clock, 0x59, answers)
        self.serial = b"\x00\x00\x04\x05\x4b\xad"
        self.values = b"\x64\x78\x3d\x28"
        self.first = b"\xff\xff\xff\xff"
        self.heated_ms = []
        self._since = None
        self._idle = True

    def _off(self, _data):
        self._end()
        self._idle = True

    def _end(self):
        if self._since is not None:
            self.heated_ms.append(self.clock.now_ms - self._since)
        self._since = None

    def _condition(self, data):
        assert data[2:] == word(0x80, 0x00) + word(0x66, 0x66)
        if self._since is None:
            self._since = self.clock.now_ms
        return self.values[:2]

    def _measure(self, data):
        assert data[2:] == word(0x80, 0x00) + word(0x66, 0x66)
        self._end()
        idle, self._idle = self._idle, False
        return self.first if idle else self.values


def _run(seconds=12, prepare=None, during=None):
    return run(sgp41, Sgp41Part, 0x59, seconds, prepare=prepare, during=during)


def test_both_signals_in_ticks_and_not_the_first_one():
    readings, faults, _, _ = _run()
    assert readings == _RIGHT
    assert faults == []


def test_it_is_conditioned_for_nine_seconds():
    _, _, _, part = _run()
    assert len(part.heated_ms) == 1
    assert 8900 <= part.heated_ms[0] <= 9200


def test_a_node_that_wakes_late_does_not_overheat_it():
    def sleepy(part):
        transact = part._transact

        def late(address):
            part.clock.now_ms += 900
            transact(address)

        part._transact = late

    _, _, _, part = _run(30, prepare=sleepy)
    assert len(part.heated_ms) == 1
    assert part.heated_ms[0] <= 10500


def test_a_driver_that_is_stopped_in_the_middle_ends_the_conditioning():
    _, _, _, part = _run(4)
    assert len(part.heated_ms) == 1
    assert part.heated_ms[0] <= 6000


def test_what_was_conditioned_before_a_reset_of_the_node_is_idle_first():
    def before(part):
        part._since = part.clock.now_ms - 3000

    _, _, _, part = _run(prepare=before)
    assert len(part.heated_ms) == 2
    assert part.said[0][1] == _OFF


def test_a_reading_every_period():
    readings, faults, _, part = _run(70)
    assert 2 * 5 <= len(readings) <= 2 * 7
    assert faults == []
    assert len(part.heated_ms) == 1


def test_a_missing_part_is_no_answer():
    _, _, error, _ = _run(prepare=lambda part: setattr(part, "missing", True))
    assert fault_kind(error) == labels.FAULT_NO_ANSWER


def test_a_hung_bus_costs_a_bounded_time():
    _, _, error, part = _run(prepare=lambda part: setattr(part, "hung", True))
    assert fault_kind(error) == labels.FAULT_BUS_HUNG
    assert part.transactions == 1


def test_a_part_that_cannot_condition_is_another_one():
    _, _, error, _ = _run(prepare=lambda part: part.answers.pop(_CONDITION) and None)
    assert fault_kind(error) == labels.FAULT_NO_ANSWER


def test_a_part_without_a_serial_number_and_stuck_pixels_are_implausible():
    for name, value in (("serial", bytes(6)), ("values", bytes(4)), ("values", b"\x64\x78\xff\xff")):
        readings, _, error, _ = _run(prepare=lambda part, name=name, value=value: setattr(part, name, value))
        assert readings == []
        assert fault_kind(error) == labels.FAULT_IMPLAUSIBLE


def test_a_wrong_checksum_costs_one_reading():
    def damage(part, out):
        part.damage = stuck(0x00) if len(out.readings) == 2 and not out.faults else None

    readings, faults, _, _ = _run(70, during=damage)
    assert faults == [labels.FAULT_BAD_FRAME]
    assert readings == _RIGHT * (len(readings) // 2)
    assert len(readings) >= 8


def test_flipped_bits_never_give_another_value():
    given = 0
    for seed in range(1, 12):
        damage = flipping(Random(seed))
        readings, _, _, _ = _run(100, prepare=lambda part, damage=damage: setattr(part, "damage", damage))
        assert set(readings) <= set(_RIGHT)
        given += len(readings)
    assert given > 60
