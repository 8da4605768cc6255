"""Events become aggregates: exact, in bounded memory, every passage in exactly one cell."""

from firmware.fakes import Random

from envelope import labels
from node import sample
from node.minimise import Minimiser

CELLS = {"classes": ["vehicle", "bike"], "directions": ["approaching", "receding"], "speed_bands_kmh": [30, 50, 70]}


def _minimiser(traffic=(2,)):
    return Minimiser((1, 2, 3), CELLS, 3, set(traffic))


def _event(*numbers):
    event = sample.empty_event()
    for i, number in enumerate(numbers):
        event[i] = number
    return event


def test_mean_minimum_and_maximum_are_exact():
    random = Random(7)
    for count in (1, 2, 3, 90, 900):
        minimiser = _minimiser()
        values = [random.below(20001) - 10000 for _ in range(count)]
        for value in values:
            minimiser.add(_event(sample.READING, 0, 1, value))
        n, mean, below, above = minimiser.release().air[1]
        assert n == count
        assert (mean - below, mean + above) == (min(values), max(values))
        assert 2 * abs(mean * count - sum(values)) <= count


def test_half_rounds_up_also_below_zero():
    for values, mean in (((1, 2), 2), ((-1, -2), -1), ((-1, 0), 0), ((0, 1), 1)):
        minimiser = _minimiser()
        for value in values:
            minimiser.add(_event(sample.READING, 0, 1, value))
        assert minimiser.release().air[1][1] == mean


def test_extremes_do_not_overflow():
    minimiser = _minimiser()
    for _ in range(1000):
        minimiser.add(_event(sample.READING, 0, 3, 110000))
        minimiser.add(_event(sample.READING, 0, 1, -2147483648))
        minimiser.add(_event(sample.READING, 0, 1, 2147483647))
    air = minimiser.release().air
    assert air[3] == [1000, 110000, 0, 0]
    n, mean, below, above = air[1]
    assert (n, mean - below, mean + above) == (2000, -2147483648, 2147483647)


def test_a_channel_without_readings_is_absent():
    minimiser = _minimiser()
    minimiser.add(_event(sample.READING, 0, 2, 5000))
    assert list(minimiser.release().air) == [2]


def test_a_channel_nobody_configured_is_dropped():
    minimiser = _minimiser()
    minimiser.add(_event(sample.READING, 0, 6, 5000))
    assert minimiser.release().air == {}


def test_a_band_edge_opens_the_upper_band():
    minimiser = _minimiser()
    for speed, band in ((0, 0), (29, 0), (30, 1), (49, 1), (50, 2), (69, 2), (70, 3), (255, 3)):
        assert minimiser.cell(0, 0, speed) == band


def test_cells_are_class_major_then_direction_then_band():
    minimiser = _minimiser()
    assert [minimiser.cell(c, d, v) for c in (0, 1) for d in (0, 1) for v in (10, 40, 60, 90)] == list(range(16))


def test_every_passage_is_in_exactly_one_cell():
    random = Random(3)
    minimiser = _minimiser()
    expected = [0] * 16
    for _ in range(2000):
        cls, direction, speed = random.below(2), random.below(2), random.below(140)
        minimiser.add(_event(sample.PASSAGE, cls, direction, speed))
        expected[cls * 8 + direction * 4 + (speed >= 30) + (speed >= 50) + (speed >= 70)] += 1
    traffic = minimiser.release().traffic
    assert sum(traffic) == 2000
    assert traffic == expected


def test_a_window_is_released_once():
    minimiser = _minimiser()
    minimiser.add(_event(sample.READING, 0, 1, 5))
    minimiser.add(_event(sample.PASSAGE, 0, 0, 40))
    minimiser.add(_event(sample.FAULT, 1, labels.FAULT_BAD_FRAME, 0))
    first = minimiser.release()
    assert (len(first.air), sum(first.traffic), first.faults) == (1, 1, {8 + labels.FAULT_BAD_FRAME: 1})
    second = minimiser.release()
    assert (second.air, second.traffic, second.faults) == ({}, [0] * 16, {})


def test_counts_of_a_blind_radar_are_withheld_for_that_window_only():
    for kind in (labels.FAULT_NO_ANSWER, labels.FAULT_BUS_HUNG, labels.FAULT_DRIVER):
        minimiser = _minimiser()
        minimiser.add(_event(sample.PASSAGE, 0, 0, 40))
        minimiser.add(_event(sample.FAULT, 2, kind, 0))
        assert minimiser.release().traffic == [None] * 16
        assert minimiser.release().traffic == [0] * 16


def test_faults_of_air_sensors_and_single_bad_frames_do_not_withhold_traffic():
    minimiser = _minimiser()
    minimiser.add(_event(sample.FAULT, 0, labels.FAULT_NO_ANSWER, 0))
    minimiser.add(_event(sample.FAULT, 2, labels.FAULT_BAD_FRAME, 0))
    assert minimiser.release().traffic == [0] * 16


def test_without_a_traffic_sensor_cells_are_withheld_not_zero():
    minimiser = _minimiser(traffic=())
    assert minimiser.release().traffic == [None] * 16
    assert minimiser.release().traffic == [None] * 16


def test_fault_counts_stop_at_255():
    minimiser = _minimiser()
    for _ in range(1000):
        minimiser.add(_event(sample.FAULT, 0, labels.FAULT_IMPLAUSIBLE, 0))
    assert minimiser.release().faults == {labels.FAULT_IMPLAUSIBLE: 255}


def test_a_cell_stops_counting_instead_of_wrapping():
    minimiser = _minimiser()
    event = _event(sample.PASSAGE, 0, 0, 40)
    for _ in range(65540):
        minimiser.add(event)
    assert minimiser.release().traffic[1] == 65535
