"""OPS243-A lines and the vehicles in them: each one once, whatever the line does, and none in another unit."""

import asyncio

from firmware.fakes import Output, Random, SelfRunningClock, Uart

from envelope import labels
from sensors import ops243a
from sensors.ops243a import Lines, content, number

# Captured from an OPS241-A with OJ and OM, and the example of the OPS242-A manual
CAPTURED = b'{"magnitude":"467.72","speed":"-0.25","distance":"0.00"}'
MANUAL = b'{"speed":0.58, "direction":"inbound", "time":105, "tick":135}'
SETTINGS = [b"UK", b"OJ", b"OM", b"O1", b"R|", b"R>10\r", b"S2", b"U?"]
TICK_MS = 250


def report(kmh, magnitude=100.0):
    return f'{{"magnitude":"{magnitude:.2f}","speed":"{kmh:.2f}"}}\r\n'.encode()


class Radar(Uart):
    """Answers commands; forgets them when `forget` is called. `answers` False: it is dead."""

    def __init__(self):
        super().__init__(self._hear)
        self.units = b"m-per-sec"
        self.answers = True

    def _hear(self, data):
        if not self.answers:
            return
        if data == b"UK":
            self.units = b"km-per-hr"
        if data[:1] == b"U":
            self.arrive(b'{"Units":"' + self.units + b'"}\r\n')
        elif data[:1] == b"O":
            self.arrive(b'{"OutputFeature":"' + data[1:] + b'"}\r\n')


def _run(scene, seconds, radar=None):
    """The driver for so long; `scene(ms, radar)` is asked every quarter of a second, from when it is configured."""

    async def play():
        line = radar or Radar()
        clock, out = SelfRunningClock(), Output()
        configured = [-1]

        async def sleep_ms(milliseconds):
            clock.now_ms += milliseconds
            if milliseconds == TICK_MS:
                configured[0] += 1
                if configured[0] >= 1:
                    scene((configured[0] - 1) * TICK_MS, line)
            await asyncio.sleep(0)

        clock.sleep_ms = sleep_ms
        task = asyncio.create_task(ops243a.open({}, line, clock).run(out))
        while clock.now_ms < 1000 * seconds:
            await asyncio.sleep(0)
        task.cancel()
        return out, line

    return asyncio.run(play())


def _drive_by(start_ms, end_ms, kmh, level):
    """A vehicle that reports twice a quarter; `level(share of its time)` is its magnitude."""

    def scene(ms, line):
        if start_ms <= ms < end_ms:
            for half in (0, TICK_MS // 2):
                line.arrive(report(kmh, level((ms + half - start_ms) / (end_ms - start_ms))))

    return scene


def _nearing(share):
    return 3000 / (10 * (1.05 - share)) ** 2


def _leaving(share):
    return 3000 / (10 * (0.05 + share)) ** 2


def _together(*scenes):
    def scene(ms, line):
        for each in scenes:
            each(ms, line)

    return scene


def test_captured_and_documented_lines():
    assert number(content(CAPTURED)["speed"]) == -0.25
    assert abs(number(content(CAPTURED)["magnitude"]) - 467.72) < 0.01
    assert abs(number(content(MANUAL)["speed"]) - 0.58) < 0.001
    assert abs(number(["-12.5", "3.1"]) + 12.5) < 0.001
    for none in ("", "x", None, [], {}, [[]]):
        assert number(none) != number(none)
    for damaged in (CAPTURED[:-1], CAPTURED[1:], b'"mps",-3.6', b"{[]:1}", b"\xff", b"{", b""):
        assert content(damaged) is None, damaged


def test_lines_split_anywhere():
    stream = b"\r\n" + CAPTURED + b"\r\n" + MANUAL + b"\n\r\n"
    for at in range(len(stream)):
        lines = Lines()
        assert lines.feed(stream[:at]) + lines.feed(stream[at:]) == [CAPTURED, MANUAL]
        assert lines.bad == 0


def test_what_never_ends_is_one_bad_line_and_takes_no_memory():
    lines = Lines()
    for _ in range(100):
        assert lines.feed(b"x" * 50) == []
        assert len(lines._pending) <= 160
    assert lines.feed(b"\n" + CAPTURED + b"\n") == [CAPTURED]
    assert lines.bad == 1
    assert lines.feed(b"y" * 200 + b"\n" + CAPTURED + b"\n") == [CAPTURED]
    assert lines.bad == 2


def test_one_vehicle_each_way_is_one_passage_each():
    out, radar = _run(_together(_drive_by(0, 3000, 36.4, _nearing), _drive_by(1000, 5000, -52.6, _leaving)), 20)
    assert sorted(out.passages) == [("vehicle", "approaching", 36), ("vehicle", "receding", 53)]
    assert out.faults == []
    assert radar.sent == SETTINGS


def test_the_next_one_shows_by_its_echo_though_the_first_has_just_gone():
    for kmh, level in ((40, _nearing), (-40, _leaving)):
        followers = [_drive_by(start, start + 3000, kmh, level) for start in (0, 3000, 6000)]
        out, _ = _run(_together(*followers), 30)
        assert len(out.passages) == 3, (kmh, out.passages)


def test_an_echo_that_fades_once_and_one_that_is_lost_for_a_moment_are_still_one_vehicle():
    def scene(ms, line):
        if ms < 5000 and not 2000 <= ms < 4000:
            line.arrive(report(50, 10 if ms == 1000 else 100))

    out, _ = _run(scene, 20)
    assert out.passages == [("vehicle", "approaching", 50)]


def test_two_speeds_at_once_are_two_vehicles():
    out, _ = _run(_together(_drive_by(0, 3000, 30, _nearing), _drive_by(0, 3000, 60, _nearing)), 20)
    assert sorted(out.passages) == [("vehicle", "approaching", 30), ("vehicle", "approaching", 60)]


def test_a_reflection_is_no_vehicle():
    out, _ = _run(_drive_by(0, TICK_MS, 50, _nearing), 20)
    assert out.passages == []


def test_no_more_vehicles_are_followed_than_there_is_room_for():
    def scene(_ms, line):
        for lane in range(20):
            line.arrive(report((11 + 16 * (lane % 14)) * (1 if lane < 14 else -1)))

    out, _ = _run(scene, 60)
    assert not [speed for _, _, speed in out.passages if not 11 <= speed <= 250]


def test_a_direction_in_words_counts():
    def scene(ms, line):
        if ms < 2000:
            line.arrive(b'{"speed":40.1, "direction":"outbound", "time":105}\r\n')

    out, _ = _run(scene, 20)
    assert out.passages == [("vehicle", "receding", 40)]


def test_a_radar_that_lost_its_supply_is_told_again_and_its_numbers_meanwhile_count_for_nothing():
    def scene(ms, line):
        if ms == 12000:
            line.units = b"m-per-sec"
        if 12000 <= ms < 15000:
            line.arrive(b"13.9\r\n" if line.units == b"m-per-sec" else report(50))

    out, radar = _run(scene, 40)
    assert radar.sent[: 2 * len(SETTINGS)] == SETTINGS * 2
    assert {speed for _, _, speed in out.passages} <= {50}
    assert set(out.faults) == {labels.FAULT_BAD_FRAME}


def test_another_unit_is_never_taken_for_ours():
    def scene(_ms, line):
        line.arrive(b'{"unit":"mps","speed":"13.9"}\r\n')

    out, radar = _run(scene, 40)
    assert out.passages == []
    assert set(out.faults) == {labels.FAULT_BAD_FRAME}
    assert radar.sent.count(b"UK") > 2


def test_our_unit_in_words_is_taken():
    def scene(ms, line):
        if ms < 2000:
            line.arrive(b'{"unit":"kmph","speed":"50.0"}\r\n')

    out, _ = _run(scene, 20)
    assert out.passages == [("vehicle", "approaching", 50)]


def test_a_silent_radar_is_asked_whether_it_is_there_and_an_empty_street_is_none_of_its_faults():
    out, radar = _run(lambda _ms, _line: None, 120)
    assert out.faults == []
    assert radar.sent[: len(SETTINGS)] == SETTINGS
    assert set(radar.sent[len(SETTINGS) :]) == {b"U?"}


def test_a_dead_radar_blinds_and_is_told_again_when_it_is_back():
    def scene(ms, line):
        line.answers = ms >= 60000

    radar = Radar()
    radar.answers = False
    out, _ = _run(scene, 120, radar)
    assert set(out.faults) == {labels.FAULT_NO_ANSWER}
    assert 3 <= len(out.faults) <= 8
    assert radar.units == b"km-per-hr"


def test_speeds_that_cannot_be_are_bad_lines():
    def scene(_ms, line):
        line.arrive(b'{"speed":"900"}\r\n{"speed":"-251"}\r\n{"speed":"nan"}\r\n{"speed":"inf"}\r\n{"speed":null}\r\n')

    out, _ = _run(scene, 30)
    assert out.passages == []
    assert set(out.faults) == {labels.FAULT_BAD_FRAME}


def test_noise_between_the_lines_costs_a_line_and_makes_no_vehicle():
    random = Random(17)

    def scene(ms, line):
        line.arrive(random.generate(20) + b"\n")
        if ms < 3000:
            line.arrive(report(45))

    out, _ = _run(scene, 20)
    assert out.passages == [("vehicle", "approaching", 45)]
    assert set(out.faults) == {labels.FAULT_BAD_FRAME}


def test_a_flood_is_bounded_and_a_fault():
    out, _ = _run(lambda _ms, line: line.arrive(b"x" * 5000), 10)
    assert set(out.faults) == {labels.FAULT_BAD_FRAME}
