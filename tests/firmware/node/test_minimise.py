"""Events become aggregates: exact, in bounded memory, every passage in one cell, told only as the policy says."""

from array import array

from firmware.city_pen import Pen, floor_map
from firmware.fakes import Random

from envelope import labels
from envelope.drbg import Drbg
from envelope.labels import WITHHELD_BELOW_K, WITHHELD_BLIND, WITHHELD_BUDGET, WITHHELD_POLICY
from node import noise, sample
from node.minimise import Minimiser
from node.policy import Policy

PEN = Pen()
RADAR = {2: (0, ())}
EPSILON = 500000
K = 5
WINDOW_S = 900
CELLS = {1: ["vehicle", "bike"], 2: ["approaching", "receding"], 3: [30, 50, 70]}
SEED = b"s" * 32
AIR = "host_tools/hadeda/scenario/data/air-hourly.csv"


class Counting(Drbg):
    """The node's generator; requests are counted."""

    requests = 0

    def generate(self, n):
        self.requests += 1
        return super().generate(n)


class Stuck:
    """A generator that is broken: every byte is zero."""

    def generate(self, n):
        return bytes(n)


def _policy(**changes):
    content = {"cells": CELLS}
    content.update(changes)
    return Policy(PEN.policy_map(**content), floor_map(window=300))


def _minimiser(traffic=RADAR, drbg=None, **changes):
    minimiser = Minimiser(_policy(**changes), 3, traffic)
    minimiser.open(drbg or Drbg(SEED))
    return minimiser


def _noise(count=16, seed=SEED):
    return list(noise.predraw(Drbg(seed), EPSILON, count))


def _released(minimiser, length_s=WINDOW_S):
    """The window's aggregates, with whatever it costs granted."""
    return minimiser.release(minimiser.cost(length_s) > 0)


def _event(*numbers):
    event = sample.empty_event()
    for i, number in enumerate(numbers):
        event[i] = number
    return event


def _read(minimiser, values, channel=1):
    for value in values:
        minimiser.add(_event(sample.READING, 0, channel, value))


def _told(counts, drawn, k=K):
    noised = [counts[i] + drawn[i] for i in range(len(counts))]
    return [count if count >= k else WITHHELD_BELOW_K for count in noised]


# Air


def test_mean_minimum_and_maximum_are_exact():
    random = Random(7)
    for count in (1, 2, 3, 90, 900):
        minimiser = _minimiser()
        values = [random.below(20001) - 10000 for _ in range(count)]
        _read(minimiser, values)
        n, mean, below, above = _released(minimiser).air[1]
        assert n == count
        assert (mean - below, mean + above) == (min(values), max(values))
        assert 2 * abs(mean * count - sum(values)) <= count


def test_half_rounds_up_also_below_zero():
    for values, mean in (((1, 2), 2), ((-1, -2), -1), ((-1, 0), 0), ((0, 1), 1)):
        minimiser = _minimiser()
        _read(minimiser, values)
        assert _released(minimiser).air[1][1] == mean


def test_extremes_do_not_overflow():
    minimiser = _minimiser()
    for _ in range(1000):
        _read(minimiser, (110000,), 3)
        _read(minimiser, (-2147483648, 2147483647))
    air = _released(minimiser).air
    assert air[3] == [1000, 110000, 0, 0]
    n, mean, below, above = air[1]
    assert (n, mean - below, mean + above) == (2000, -2147483648, 2147483647)


def test_more_readings_than_can_be_said_are_all_in_the_mean():
    minimiser = _minimiser()
    _read(minimiser, (0 for _ in range(65535)))
    _read(minimiser, (10 for _ in range(65535)))
    assert _released(minimiser).air[1] == [65535, 5, 5, 5]


def test_a_day_long_window_of_the_real_month_is_exact():
    hours = _real_month()
    assert len(hours) > 600
    step_s = 30
    for day in range(0, len(hours) - 24, 24):
        minimiser = _minimiser(window=86400)
        often = {}  # by another way: how often each value came
        for second in range(0, 86400, step_s):
            values = _between(hours[day + second // 3600], hours[day + second // 3600 + 1], second % 3600)
            for channel, value in values:
                minimiser.add(_event(sample.READING, 0, channel, value))
                of_channel = often.setdefault(channel, {})
                of_channel[value] = of_channel.get(value, 0) + 1
        air = _released(minimiser, 86400).air
        for channel in often:
            total = sum(value * times for value, times in often[channel].items())
            count = sum(often[channel].values())
            mean = total // count + (2 * (total % count) >= count)
            least, most = min(often[channel]), max(often[channel])
            assert air[channel] == [count, mean, mean - least, most - mean], (day, channel)


def test_a_day_of_readings_each_second_is_exact_where_single_precision_drifts():
    hours = _real_month()
    minimiser = _minimiser(window=86400)
    single = array("f", (0,))
    total = 0
    for second in range(86400):
        pressure = _between(hours[second // 3600], hours[second // 3600 + 1], second % 3600)[1][1]
        minimiser.add(_event(sample.READING, 0, 3, pressure))
        single[0] += pressure
        total += pressure
    n, mean, _, _ = _released(minimiser, 86400).air[3]
    assert (n, mean) == (65535, (2 * total + 86400) // (2 * 86400))
    assert abs(single[0] / 86400 - mean) > 5, "single precision does as well: this test sees nothing"


def _real_month():
    """[(temperature in 0.01 degC, pressure in Pa, PM2.5 in 0.1 ug/m3)] hour by hour; a gap keeps the last value."""
    hours = []
    last = ["0", "0", "0"]
    with open(AIR) as file:  # noqa: PTH123 (MicroPython)
        names = file.readline().strip().split(",")
        columns = [names.index(name) for name in ("temperature_c", "pressure_hpa", "pm2_5_ugm3")]
        for line in file:
            cells = line.strip().split(",")
            last = [cells[column] or last[i] for i, column in enumerate(columns)]
            hours.append([round(float(last[i]) * scale) for i, scale in enumerate((100, 100, 10))])
    return hours


def _between(one, other, second):
    """[(channel, value)] on the straight line between two hours."""
    return [(channel, (one[i] * (3600 - second) + other[i] * second) // 3600) for i, channel in enumerate((1, 3, 5))]


def test_a_channel_without_readings_is_absent():
    minimiser = _minimiser()
    _read(minimiser, (5000,), 2)
    assert list(_released(minimiser).air) == [2]


def test_a_channel_that_the_policy_does_not_name_stays_on_the_node():
    minimiser = _minimiser(channels=[1, 3])
    for channel in range(1, 7):
        _read(minimiser, (5000,), channel)
    assert sorted(_released(minimiser).air) == [1, 3]


# Cells


def test_a_band_edge_opens_the_upper_band():
    minimiser = _minimiser()
    for speed, band in ((0, 0), (29, 0), (30, 1), (49, 1), (50, 2), (69, 2), (70, 3), (255, 3)):
        assert minimiser.cell(0, 0, speed) == band


def test_cells_are_class_major_then_direction_then_band():
    minimiser = _minimiser()
    assert [minimiser.cell(c, d, v) for c in (0, 1) for d in (0, 1) for v in (10, 40, 60, 90)] == list(range(16))


def test_every_passage_is_in_exactly_one_cell_and_released_with_its_noise():
    random = Random(3)
    minimiser = _minimiser()
    expected = [0] * 16
    for _ in range(2000):
        cls, direction, speed = random.below(2), random.below(2), random.below(140)
        minimiser.add(_event(sample.PASSAGE, cls, direction, speed))
        expected[cls * 8 + direction * 4 + (speed >= 30) + (speed >= 50) + (speed >= 70)] += 1
    assert sum(expected) == 2000
    assert _released(minimiser).traffic == _told(expected, _noise())


def test_a_hundred_thousand_passages_in_one_window():
    minimiser = _minimiser()
    event = _event(sample.PASSAGE, 0, 0, 40)
    for _ in range(100000):
        minimiser.add(event)
    assert _released(minimiser).traffic == _told([0, 100000] + [0] * 14, _noise())


def test_the_threshold_is_on_the_noised_count():
    drawn = _noise()
    assert min(drawn) < 0 < max(drawn)
    minimiser = _minimiser()
    for cell in range(16):
        for _ in range(K - 1):
            minimiser.add(_event(sample.PASSAGE, cell // 8, cell // 4 % 2, (10, 40, 60, 90)[cell % 4]))
    traffic = _released(minimiser).traffic
    assert traffic == [K - 1 + more if more >= 1 else WITHHELD_BELOW_K for more in drawn]
    assert any(count >= K for count in traffic)


def test_a_window_is_released_once():
    minimiser = _minimiser()
    _read(minimiser, (5,))
    for _ in range(100):
        minimiser.add(_event(sample.PASSAGE, 0, 0, 40))
    minimiser.add(_event(sample.FAULT, 1, labels.FAULT_BAD_FRAME, 0))
    first = _released(minimiser)
    assert (len(first.air), first.faults) == (1, {8 + labels.FAULT_BAD_FRAME: 1})
    assert first.traffic[1] > 50
    for granted in (True, False):
        again = minimiser.release(granted)
        assert (again.air, again.traffic, again.faults) == ({}, [WITHHELD_BUDGET] * 16, {})
    minimiser.open(Drbg(b"t" * 32))
    assert _released(minimiser).traffic == _told([0] * 16, _noise(seed=b"t" * 32))


# Noise


def test_noise_is_drawn_when_the_window_opens_and_never_again():
    drbg = Counting(SEED)
    minimiser = _minimiser(drbg=drbg)
    asked = drbg.requests
    assert asked > 0
    for _ in range(50):
        minimiser.add(_event(sample.PASSAGE, 1, 1, 90))
    minimiser.withheld()
    _released(minimiser)
    assert drbg.requests == asked


def test_noise_and_counts_are_overwritten_after_the_release():
    minimiser = _minimiser()
    minimiser.add(_event(sample.PASSAGE, 0, 0, 40))
    drawn, counts = minimiser._noise, minimiser._counts
    assert any(drawn)
    assert any(counts)
    _released(minimiser)
    assert minimiser._noise is None
    assert not any(drawn)
    assert not any(counts)


def test_a_generator_that_is_stuck_withholds_everything():
    minimiser = _minimiser(drbg=Stuck())
    _read(minimiser, (5,))
    assert minimiser.cost(WINDOW_S) == 0
    released = minimiser.release(True)
    assert released.traffic == [WITHHELD_BUDGET] * 16
    assert list(released.air) == [1]


# Withheld


def test_what_is_not_granted_is_withheld_and_gone():
    minimiser = _minimiser()
    for _ in range(50):
        minimiser.add(_event(sample.PASSAGE, 0, 0, 40))
    assert minimiser.cost(WINDOW_S) == EPSILON
    assert minimiser.release(False).traffic == [WITHHELD_BUDGET] * 16
    minimiser.open(Drbg(SEED))
    assert _released(minimiser).traffic == _told([0] * 16, _noise())


def test_the_cost_is_the_same_whatever_was_counted():
    for passages in (0, 1, 1000):
        minimiser = _minimiser()
        for _ in range(passages):
            minimiser.add(_event(sample.PASSAGE, 0, 0, 40))
        assert minimiser.cost(WINDOW_S) == EPSILON


def test_counts_of_a_blind_radar_are_withheld_for_that_window_only_and_cost_nothing():
    for kind in (labels.FAULT_NO_ANSWER, labels.FAULT_BUS_HUNG, labels.FAULT_DRIVER):
        minimiser = _minimiser()
        minimiser.add(_event(sample.PASSAGE, 0, 0, 40))
        minimiser.add(_event(sample.FAULT, 2, kind, 0))
        assert minimiser.cost(WINDOW_S) == 0
        assert minimiser.release(True).traffic == [WITHHELD_BLIND] * 16
        minimiser.open(Drbg(SEED))
        assert minimiser.cost(WINDOW_S) == EPSILON
        assert minimiser.release(True).traffic == _told([0] * 16, _noise())


def test_faults_of_air_sensors_and_single_bad_frames_do_not_withhold_traffic():
    minimiser = _minimiser()
    minimiser.add(_event(sample.FAULT, 0, labels.FAULT_NO_ANSWER, 0))
    minimiser.add(_event(sample.FAULT, 2, labels.FAULT_BAD_FRAME, 0))
    assert minimiser.cost(WINDOW_S) == EPSILON
    assert _released(minimiser).traffic == _told([0] * 16, _noise())


def test_without_a_traffic_sensor_cells_are_withheld_not_zero():
    minimiser = _minimiser(traffic={})
    for _ in range(2):
        assert minimiser.cost(WINDOW_S) == 0
        assert minimiser.release(True).traffic == [WITHHELD_BLIND] * 16
        minimiser.open(Drbg(SEED))


def test_without_a_policy_nothing_is_counted_and_nothing_said():
    minimiser = Minimiser(None, 3, RADAR)
    for _ in range(2):
        minimiser.open(Stuck())
        _read(minimiser, (5,))
        minimiser.add(_event(sample.FAULT, 0, labels.FAULT_NO_ANSWER, 0))
        assert minimiser.cost(WINDOW_S) == 0
        released = minimiser.release(True)
        assert (released.air, released.traffic, released.faults) == ({}, [], {labels.FAULT_NO_ANSWER: 1})
    assert minimiser.withheld().traffic == []


def test_a_window_cut_shorter_than_the_floor_tells_no_counts_and_costs_nothing():
    for length_s, cost in ((1, 0), (60, 0), (297, 0), (298, EPSILON), (300, EPSILON), (900, EPSILON)):
        minimiser = _minimiser()
        _read(minimiser, (5,))
        minimiser.add(_event(sample.PASSAGE, 0, 0, 40))
        assert minimiser.cost(length_s) == cost
        released = minimiser.release(True)
        assert (released.traffic == [WITHHELD_POLICY] * 16) == (cost == 0)
        assert list(released.air) == [1]


def test_a_camera_counts_only_where_the_policy_allows_it():
    _check_source(labels.SOURCE_VISION)


def test_a_presence_input_counts_only_where_the_policy_allows_it():
    _check_source(labels.SOURCE_PRESENCE)


def _check_source(source):
    minimiser = _minimiser(traffic={2: (0, ()), 1: (source, ("bike",))})
    minimiser.add(_event(sample.FAULT, 1, labels.FAULT_NO_ANSWER, 0))  # nobody asked it
    assert minimiser.cost(WINDOW_S) == EPSILON
    assert minimiser.release(True).traffic == _told([0] * 8, _noise()) + [WITHHELD_POLICY] * 8
    minimiser = _minimiser(traffic={2: (0, ()), 1: (source, ("bike",))}, sources=[source])
    assert _released(minimiser).traffic == _told([0] * 16, _noise())
    minimiser = _minimiser(traffic={1: (source, ("bike",))})
    assert minimiser.cost(WINDOW_S) == 0
    assert minimiser.release(True).traffic == [WITHHELD_POLICY] * 16


def test_an_extra_report_tells_no_cell_and_leaves_the_window_alone():
    minimiser = _minimiser()
    for _ in range(50):
        minimiser.add(_event(sample.PASSAGE, 0, 0, 40))
    extra = minimiser.withheld()
    assert (extra.air, extra.traffic, extra.faults) == ({}, [WITHHELD_BLIND] * 16, {})
    assert _released(minimiser).traffic == _told([0, 50] + [0] * 14, _noise())


def test_another_policy_begins_empty_with_cells_of_its_own():
    minimiser = _minimiser()
    minimiser.add(_event(sample.PASSAGE, 0, 0, 40))
    _released(minimiser)
    minimiser.use(_policy(cells={1: ["vehicle"], 2: ["approaching"], 3: []}, k=1, epsilon_release=2000000))
    assert minimiser.release(True).traffic == [WITHHELD_BUDGET]
    minimiser.open(Drbg(SEED))
    assert minimiser.cost(WINDOW_S) == 2000000
    for _ in range(40):
        minimiser.add(_event(sample.PASSAGE, 0, 0, 40))
    assert minimiser.release(True).traffic == [40 + noise.predraw(Drbg(SEED), 2000000, 1)[0]]


def test_how_often_a_sensor_that_sees_people_failed_is_not_told():
    minimiser = Minimiser(_policy(), 3, RADAR, 1)
    minimiser.open(Drbg(SEED))
    for _ in range(1000):
        minimiser.add(_event(sample.FAULT, 1, labels.FAULT_DRIVER, 0))
        minimiser.add(_event(sample.FAULT, 2, labels.FAULT_BAD_FRAME, 0))
    assert _released(minimiser).faults == {8 + labels.FAULT_DRIVER: 1, 16 + labels.FAULT_BAD_FRAME: 1}


def test_fault_counts_stop_at_255():
    minimiser = _minimiser()
    for _ in range(1000):
        minimiser.add(_event(sample.FAULT, 0, labels.FAULT_IMPLAUSIBLE, 0))
    assert _released(minimiser).faults == {labels.FAULT_IMPLAUSIBLE: 255}
