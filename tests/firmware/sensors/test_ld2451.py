"""LD2451 frames and the vehicles in them: each one once, whatever the line does."""

import asyncio

from firmware.fakes import Clock, Output, Random, Uart

from envelope import labels
from sensors import ld2451
from sensors.ld2451 import Parser, targets
from sensors.vehicle_tracks import TRACKS_MAX, Tracks

# The worked example of the protocol manual: three targets
EXAMPLE = bytes.fromhex("F4F3F2F1110003018A28003C158A1E013C0F765F003C0FF8F7F6F5")
EMPTY = bytes.fromhex("F4F3F2F10000F8F7F6F5")


def frame(*seen):
    """One report frame of (angle, distance, direction, speed) targets."""
    if not seen:
        return EMPTY
    payload = bytes((len(seen), 1 if any(one[2] for one in seen) else 0))
    for angle, distance, direction, speed in seen:
        payload += bytes((angle + 0x80, distance, direction, speed, 20))
    return b"\xf4\xf3\xf2\xf1" + len(payload).to_bytes(2, "little") + payload + b"\xf8\xf7\xf6\xf5"


def acknowledgement(command, status=0):
    payload = bytes((command[6], 1)) + status.to_bytes(2, "little")
    return b"\xfd\xfc\xfb\xfa" + len(payload).to_bytes(2, "little") + payload + b"\x04\x03\x02\x01"


def test_the_manuals_example():
    ((is_report, payload),) = Parser().feed(EXAMPLE)
    assert is_report
    assert targets(payload) == [(10, 40, 0, 60), (10, 30, 1, 60), (-10, 95, 0, 60)]


def test_an_empty_frame_has_no_targets():
    assert Parser().feed(EMPTY) == [(True, b"")]
    assert targets(b"") == []


def test_commands_as_the_manual_writes_them():
    assert ld2451.command(ld2451._ENABLE) == bytes.fromhex("FDFCFBFA0400FF00010004030201")
    assert ld2451.command(ld2451._END) == bytes.fromhex("FDFCFBFA0200FE0004030201")


def test_a_frame_split_anywhere_and_frames_in_a_row():
    stream = EXAMPLE + EMPTY + frame((0, 50, 1, 40))
    for at in range(1, len(stream)):
        parser = Parser()
        assert len(parser.feed(stream[:at]) + parser.feed(stream[at:])) == 3
        assert parser.bad == 0
    parser = Parser()
    assert sum(len(parser.feed(stream[i : i + 1])) for i in range(len(stream))) == 3


def test_garbage_between_frames_costs_no_frame():
    random = Random(31)
    for _ in range(200):
        parser = Parser()
        noise = random.generate(random.below(30))
        assert (True, EMPTY[6:6]) in parser.feed(noise + EMPTY + EMPTY + bytes(120) + EMPTY)


def test_impossible_payloads_are_no_targets():
    good = frame((0, 50, 1, 40))[6:-4]
    assert targets(good) is not None
    for broken in (good[:-1], good + b"\x00", good[:1], b"\x02" + good[1:], good[:4] + b"\x07" + good[5:]):
        assert targets(broken) is None


def test_ten_thousand_random_bytes():
    random = Random(77)
    clock = Clock()
    radar = ld2451.open({}, Uart(), clock)
    out = Output()
    for _ in range(500):
        radar.take(random.generate(20), out)
        clock.now_ms += 100
        radar._pass_on(out)
        assert len(radar._parser._pending) <= 256
    assert out.passages == []


def test_damaged_frames_never_make_a_vehicle():
    random = Random(78)
    clock = Clock()
    radar = ld2451.open({}, Uart(), clock)
    out = Output()
    for _ in range(400):
        noisy = bytearray(frame((random.below(40) - 20, random.below(100), random.below(2), random.below(120))))
        noisy[random.below(6)] ^= 1 << random.below(8)
        radar.take(noisy, out)
        clock.now_ms += 100
    radar._pass_on(out)
    assert out.passages == []
    assert set(out.faults) <= {labels.FAULT_BAD_FRAME}


class Street:
    """Drives vehicles past a radar, frame by frame."""

    def __init__(self, seed=1):
        self.clock = Clock()
        self.tracks = Tracks(self.clock)
        self.random = Random(seed)
        self.passed = []

    def frame(self, seen):
        self.tracks.see(seen, self.clock.ticks_ms())
        self.clock.now_ms += 100
        self.passed += self.tracks.ended(self.clock.ticks_ms())

    def drive(self, vehicles, frames, miss_percent=0, jitter=0):
        """`vehicles` are (first frame, first metre, direction, km/h, angle): frames of those in 3 to 100 m."""
        for number in range(frames):
            seen = []
            for first, metre, direction, speed, angle in vehicles:
                moved = speed * (number - first) / 36
                at = metre - moved if direction else metre + moved
                if number < first or not 3 <= at <= 100 or self.random.below(100) < miss_percent:
                    continue
                speed_seen = speed + (self.random.below(2 * jitter + 1) - jitter if jitter else 0)
                seen.append((angle, int(at + 0.5), direction, speed_seen))
            self.frame(seen)
        for _ in range(30):
            self.frame([])
        return sorted(self.passed)


def test_one_vehicle_is_one_passage_at_any_speed():
    for direction in (0, 1):
        for speed in (6, 15, 30, 47, 50, 80, 120, 180):
            street = Street()
            start = 95 if direction else 4
            passed = street.drive([(0, start, direction, speed, 3)], 3600 // speed + 40)
            assert passed == [(direction == 1, speed)], (direction, speed, passed)


def test_two_vehicles_in_opposite_directions():
    street = Street()
    passed = street.drive([(0, 95, 1, 50, -5), (0, 4, 0, 50, 5)], 100)
    assert passed == [(False, 50), (True, 50)]


def test_a_column_of_vehicles():
    street = Street()
    # A car every 2 seconds, 28 m apart at 50 km/h
    passed = street.drive([(20 * i, 95, 1, 50, 0) for i in range(10)], 320)
    assert passed == [(True, 50)] * 10


def test_one_overtakes_the_other():
    for slow, fast in ((40, 80), (50, 70), (30, 60)):
        street = Street()
        passed = street.drive([(0, 95, 1, slow, -3), (18, 95, 1, fast, 3)], 200)
        assert passed == [(True, slow), (True, fast)]


def test_side_by_side_on_two_lanes():
    street = Street()
    passed = street.drive([(0, 95, 1, 50, -8), (0, 95, 1, 50, 8)], 100)
    assert passed == [(True, 50), (True, 50)]


def test_flicker_does_not_double_a_vehicle():
    for seed in range(1, 30):
        street = Street(seed)
        passed = street.drive([(0, 95, 1, 50, 0)], 100, miss_percent=40, jitter=2)
        assert len(passed) == 1, (seed, passed)
        assert abs(passed[0][1] - 50) <= 2


def test_a_vehicle_lost_for_a_second_is_the_same_one():
    street = Street()
    for number in range(60):
        at = 95 - 50 * number / 36
        street.frame([] if 20 <= number < 31 else [(0, int(at + 0.5), 1, 50)])
    for _ in range(20):
        street.frame([])
    assert street.passed == [(True, 50)]


def test_a_reflection_seen_once_or_twice_is_no_vehicle():
    street = Street()
    for number in range(200):
        street.frame([(0, (number * 37) % 100, 1, 50)] if number % 25 < 2 else [])
    for _ in range(20):
        street.frame([])
    assert street.passed == []


def test_memory_is_bounded_in_a_crowd():
    random = Random(6)
    street = Street()
    for _ in range(500):
        street.tracks.see(
            [(random.below(40) - 20, random.below(100), random.below(2), random.below(120)) for _ in range(20)],
            street.clock.ticks_ms(),
        )
        street.clock.now_ms += 100
        assert len(street.tracks._open) <= TRACKS_MAX
        assert len(street.tracks._ended) <= 2 * TRACKS_MAX


def test_frames_that_waited_together_are_still_one_vehicle():
    clock = Clock()
    radar = ld2451.open({}, Uart(), clock)
    out = Output()
    frames = [frame((0, int(95.5 - 50 * number / 36), 1, 50)) for number in range(60)]
    for number in range(0, 60, 15):
        clock.now_ms += 1500
        radar.take(b"".join(frames[number : number + 15]), out)
    clock.now_ms += 2000
    radar._pass_on(out)
    assert out.passages == [("vehicle", "approaching", 50)]
    assert out.faults == []


def _run(answer, seconds, traffic=None):
    """The whole driver against a line that answers commands with `answer(frame, uart)`."""

    async def scene():
        clock = Clock()
        uart = Uart()
        uart.on_write = lambda data: answer(data, uart)
        out = Output()
        task = asyncio.create_task(ld2451.open({}, uart, clock).run(out))
        for tenth in range(seconds * 10):
            if traffic is not None:
                uart.arrive(traffic(tenth))
            await clock.advance(100, 50)
        task.cancel()
        await asyncio.sleep(0)
        return out, uart

    return asyncio.run(scene())


def _obedient(data, uart):
    uart.arrive(acknowledgement(data))


def test_it_configures_the_radar_and_counts_what_drives_by():
    def traffic(tenth):
        at = 195 - tenth
        return frame((0, at, 1, 36)) if 3 < at <= 95 else b""

    out, uart = _run(_obedient, 25, traffic)
    assert [data[6] for data in uart.sent] == [0xFF, 0x12, 0x02, 0xFE]
    assert out.passages == [("vehicle", "approaching", 36)]
    assert out.faults == []


def test_an_empty_street_is_no_fault_as_long_as_the_radar_answers():
    out, uart = _run(_obedient, 100)
    assert out.faults == []
    # Configured, and asked every half minute whether it is there
    assert [data[6] for data in uart.sent] == [0xFF, 0x12, 0x02, 0xFE] + [0xFF, 0xFE] * 3


def test_a_radar_that_is_set_up_already_is_not_written_to():
    def answer(data, uart):
        value = bytes.fromhex("64020501") if data[6] == 0x12 else b""
        payload = bytes((data[6], 1, 0, 0)) + value
        uart.arrive(b"\xfd\xfc\xfb\xfa" + len(payload).to_bytes(2, "little") + payload + b"\x04\x03\x02\x01")

    out, uart = _run(answer, 5)
    assert out.faults == []
    assert [data[6] for data in uart.sent] == [0xFF, 0x12, 0xFE]


def test_a_dead_radar_is_a_fault_again_and_again():
    out, _ = _run(lambda _data, _uart: None, 60)
    assert set(out.faults) == {labels.FAULT_NO_ANSWER}
    assert 4 <= len(out.faults) <= 5  # in every window of a minute, and no flood


def test_a_radar_that_refuses_its_configuration_is_a_fault_but_heard():
    def traffic(tenth):
        at = 195 - tenth
        return frame((0, at, 1, 36)) if 3 < at <= 95 else b""

    out, _ = _run(lambda data, uart: uart.arrive(acknowledgement(data, 1)), 25, traffic)
    assert labels.FAULT_NO_ANSWER in out.faults
    assert out.passages == [("vehicle", "approaching", 36)]


def test_an_acknowledgement_in_the_middle_of_reports_is_found():
    def answer(data, uart):
        uart.arrive(EMPTY + b"\xfd\xfc" + acknowledgement(data) + EMPTY)

    out, uart = _run(answer, 5)
    assert len(uart.sent) == 4
    assert labels.FAULT_NO_ANSWER not in out.faults


def test_a_radar_that_says_nothing_of_an_empty_street_counts_everybody_once():
    for kmh in (18, 36, 50, 72):
        for late in range(0, 20, 3):

            def traffic(tenth, kmh=kmh, late=late):
                at = 95 - (tenth - 50 - late) * kmh / 36
                return frame((0, int(at + 0.5), 1, kmh)) if 3 < at <= 95 else b""

            out, _ = _run(_obedient, 10 + 400 // kmh, traffic)
            assert out.passages == [("vehicle", "approaching", kmh)], (kmh, late, out.passages)
