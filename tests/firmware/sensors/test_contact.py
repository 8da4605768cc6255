"""A plain input: each pulse is one passage however it bounces, and what no detector does is a fault and no passage."""

import asyncio

from firmware.fakes import Output, Random, SelfRunningClock

from envelope import labels
from node.errors import SensorFault
from sensors import hc_sr501, td136

VEHICLE = ("vehicle", "either", 0)
SOMEBODY = ("presence", "either", 0)
# From so many seconds on, the first cannot have begun before the driver looked; a PIR is not listened to before that
START_S = {td136: 2, hc_sr501: 65}
PULSE_S = {td136: 1.0, hc_sr501: 3.0}


class Line:
    """A pin whose level is `level(seconds)`: true for high."""

    def __init__(self, clock, level):
        self._clock = clock
        self._level = level
        self._start_ms = clock.now_ms

    def high(self):
        return bool(self._level((self._clock.now_ms - self._start_ms) / 1000))


def _run(part, level, seconds):
    """What the driver says in so many seconds, and the kind of fault it ended with, None if it did not end."""

    async def play():
        clock, out = SelfRunningClock(), Output()
        end_ms = clock.now_ms + seconds * 1000
        task = asyncio.create_task(part.open({}, Line(clock, level), clock).run(out))
        while clock.now_ms < end_ms and not task.done():
            await asyncio.sleep(0)
        if not task.done():
            task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return out, None
        except SensorFault as fault:
            return out, fault.kind
        raise AssertionError("a driver has no reason to return")

    return asyncio.run(play())


def _pulses(part, starts, bounce=None, within=0.2):
    """A level of pulses at these seconds.

    `bounce(after)` is the level so many milliseconds after an edge, at most `within` seconds, or None: as without it.
    """

    def level(at):
        for start in starts:
            start += START_S[part]
            for edge in (start, start + PULSE_S[part]):
                if bounce is not None and 0 <= at - edge < within:
                    chance = bounce(round((at - edge) * 1000))
                    if chance is not None:
                        return chance
            if start <= at < start + PULSE_S[part]:
                return True
        return False

    return level


def _expected_faults(part):
    """A motion detector is blind while it warms up, and says so."""
    return [labels.FAULT_NO_ANSWER] * 3 if part is hc_sr501 else []


def test_each_pulse_is_one_passage():
    out, raised = _run(td136, _pulses(td136, (0, 3, 4.2, 30)), 40)
    assert (out.passages, out.faults, raised) == ([VEHICLE] * 4, [], None)
    out, raised = _run(hc_sr501, _pulses(hc_sr501, (0, 5.5, 60)), 140)
    assert (out.passages, raised) == ([SOMEBODY] * 3, None)


def test_a_pulse_is_told_when_it_is_over_and_says_nothing_else():
    out, _ = _run(td136, _pulses(td136, (0,)), START_S[td136] + 0.9)
    assert out.passages == []
    out, _ = _run(td136, _pulses(td136, (0,)), START_S[td136] + 1.3)
    assert out.passages == [VEHICLE]


def test_bounces_shorter_than_a_look_make_no_second_passage_and_lose_none():
    for milliseconds in (5, 20, 49):
        random = Random()

        def bounce(after, milliseconds=milliseconds, random=random):
            return random.below(2) == 1 if after < milliseconds else None

        for shift in (0, 0.013, 0.031, 0.049):
            starts = [5 * number + shift for number in range(20)]
            out, raised = _run(td136, _pulses(td136, starts, bounce), 110)
            assert (out.passages, out.faults, raised) == ([VEHICLE] * 20, [], None), (milliseconds, shift)


def test_a_glitch_within_a_pulse_makes_no_second_passage():
    for shift in (0.3, 0.5, 0.7):

        def dip(after, shift=shift):
            return False if round(shift * 1000) <= after < round(shift * 1000) + 45 else None

        starts = [5 * number for number in range(20)]
        level = _pulses(td136, starts, dip, within=1.0)
        out, raised = _run(td136, level, 110)
        assert (out.passages, out.faults, raised) == ([VEHICLE] * 20, [], None), shift


def test_spikes_are_no_passages():
    """Whoever looks while lightning strikes sees it once."""
    looked = [0]

    def level(at):
        looked[0] += 1
        return at > 2 and looked[0] % 40 == 0

    out, raised = _run(td136, level, 30)
    assert looked[0] > 120
    assert (out.passages, raised) == ([], None)


def test_a_line_that_stays_high_is_a_fault_and_no_passage():
    """The cable is cut, the contact does not close, the detector has no supply."""
    for part in (td136, hc_sr501):
        out, raised = _run(part, lambda at, part=part: at >= START_S[part] + 10, START_S[part] + 60)
        assert (out.passages, raised) == ([], labels.FAULT_NO_ANSWER)
        out, raised = _run(part, lambda _: True, START_S[part] + 60)
        assert (out.passages, raised) == ([], labels.FAULT_NO_ANSWER)


def test_a_vehicle_that_waits_on_a_loop_set_for_longer_presence_is_a_fault():
    out, raised = _run(td136, lambda at: 10 <= at < 250, 60)
    assert (out.passages, raised) == ([], labels.FAULT_NO_ANSWER)


def test_a_line_that_is_low_for_ever_is_nobody():
    for part in (td136, hc_sr501):
        out, raised = _run(part, lambda _: False, START_S[part] + 600)
        assert (out.passages, out.faults, raised) == ([], _expected_faults(part), None)


def test_a_pulse_that_began_before_anybody_looked_is_none():
    out, _ = _run(td136, lambda at: at < 0.7, 10)
    assert out.passages == []


def test_while_a_motion_detector_warms_up_nothing_counts_and_the_window_is_blind():
    out, _ = _run(hc_sr501, lambda at: 10 <= at < 13 or 40 <= at < 43, 59)
    assert out.passages == []
    assert out.faults == [labels.FAULT_NO_ANSWER] * 2
    out, _ = _run(hc_sr501, lambda at: 58 <= at < 61, 70)
    assert (out.passages, out.faults) == ([], [labels.FAULT_NO_ANSWER] * 3)


def test_a_loose_contact_is_a_fault_and_hardly_ever_a_passage():
    """Over a hundred cables that hang by a thread: each is found within half a minute."""
    told = 0
    for seed in range(100):
        random = Random(seed + 1)
        out, raised = _run(td136, lambda at, random=random: at >= 2 and random.below(2), 32)
        assert raised == labels.FAULT_NO_ANSWER
        told += len(out.passages)
    assert told < 10


def test_whatever_the_line_does_a_driver_counts_or_fails_and_is_never_busy():
    """Noise of any density: no other error, no passage that would take less than its half second."""
    for seed in range(60):
        random = Random(1000 + seed)
        density = seed + 1
        out, raised = _run(td136, lambda _, random=random, density=density: random.below(61) < density, 60)
        assert raised in (None, labels.FAULT_NO_ANSWER)
        assert len(out.passages) <= 60 / 0.6
