"""Grove Vision lines and the crossings in them: bounded, deaf to pictures, and nothing but classes comes out."""

import asyncio
import gc
import json

from firmware.fakes import Clock, Output, Random, Uart

from envelope.labels import FAULT_BAD_FRAME, FAULT_NO_ANSWER
from sensors import grove_vision
from sensors.box_tracks import BOXES_MAX, CLASSES
from sensors.grove_vision import INVOKE, LINE_MAX, START, Lines, boxes, message

# The specification's examples of an answer to INVOKE and of its event
ANSWER = (
    b'\r{"type": 0, "name": "INVOKE", "code": 0, "data": {"model": {"id": 2, "type": 3, "address": 5242880, '
    b'"size": 267024}, "algorithm": {"type": 3, "category": 1, "input_from": 1, "config": {"tscore": 60, '
    b'"tiou": 50}}, "sensor": {"id": 1, "type": 1, "state": 1}}}\n'
)
EXAMPLE = (
    b'\r{"type": 1, "name": "INVOKE", "code": 0, "data": {"count": 8, "perf": [8, 365, 0], '
    b'"boxes": [[87, 83, 77, 65, 70, 0]]}}\n'
)
REFUSAL = b'\r{"type": 2, "name": "AT", "code": 5, "data": "Unknown command"}\n'
ERROR = b'\r{"type": 1, "name": "INVOKE", "code": 4, "data": {"count": 1}}\n'
PICTURE = (
    b'\r{"type": 1, "name": "INVOKE", "code": 0, "data": {"count": 1, "image": "' + b"A" * 9000 + b'", "boxes": []}}\n'
)
PLATE = "B-XY 1234"


def event(*seen, **more):
    """One result of [x, y, w, h, score, target] boxes in a picture of 240 by 240."""
    data = {"count": 1, "perf": [8, 60, 1], "boxes": [list(box) for box in seen], "resolution": [240, 240]}
    data.update(more)
    return b"\r" + json.dumps({"type": 1, "name": "INVOKE", "code": 0, "data": data}).encode() + b"\n"


def lines(data):
    return Lines().feed(data)


def test_the_specifications_example():
    (line,) = lines(EXAMPLE)
    assert boxes(message(line)["data"]) == [(0, 362, 345, 320, 270)]


def test_a_line_split_anywhere_and_noise_between_lines():
    stream = b"log of the system\n" + ANSWER + b"more of it\r\n" + EXAMPLE + b"\n"
    for at in range(1, len(stream)):
        reader = Lines()
        assert len(reader.feed(stream[:at]) + reader.feed(stream[at:])) == 2, at
        assert (reader.bad, reader.pictures) == (0, 0), at


def test_a_line_that_breaks_off_costs_itself_only():
    reader = Lines()
    assert len(reader.feed(EXAMPLE[:40] + ANSWER + EXAMPLE)) == 2
    assert reader.bad == 1
    assert reader.feed(EXAMPLE[:40]) == []
    assert len(reader.feed(EXAMPLE)) == 1
    assert reader.bad == 2


def test_a_line_without_end_is_kept_nowhere():
    reader = Lines()
    for _ in range(1000):
        assert reader.feed(b"\r{" if reader._length < 0 else b"x" * 200) == []
        assert len(reader._line) == LINE_MAX
    assert reader.feed(b"\n" + EXAMPLE) == [EXAMPLE[1:-1]]
    assert reader.bad == 1


def test_a_picture_is_dropped_unread():
    reader = Lines()
    assert reader.feed(PICTURE + EXAMPLE) == [EXAMPLE[1:-1]]
    assert (reader.bad, reader.pictures) == (0, 1)
    assert reader.feed(event(image="AAAA")) == []
    assert reader.pictures == 2
    # With the results first
    last = EXAMPLE[:-3] + b', "image": "' + b"/" * 5000 + b'"}}\n'
    assert reader.feed(last) == []
    assert reader.pictures == 3


def test_what_is_no_reply():
    for broken in (
        b"",
        b"{}",
        b"[]",
        b"null",
        b'"text"',
        b"7",
        EXAMPLE[1:-2],
        b'{"type": 1, "name": "INVOKE"}',
        b'{"type": true, "name": "INVOKE", "code": 0}',
        b'{"type": 1, "name": 7, "code": 0}',
        b'{"type": "1", "name": "INVOKE", "code": 0}',
        b'{"type": 1, "name": "INVOKE", "code": 0, "data": ' + b"[" * 400 + b"]" * 400 + b"}",
        b'{"type": 1, "name": "INVOKE", "code": 0, "data": [' + b"0," * 400 + b"0]}",
        b'{"type": 1, "name": "\xff\xfe", "code": \xff}',
    ):
        assert message(broken) is None, broken
    assert message(EXAMPLE[1:-1]) is not None


def test_what_is_no_result():
    box = [87, 83, 77, 65, 70, 0]
    assert boxes({"boxes": []}) == []
    for data in (
        None,
        [],
        7,
        {},
        {"boxes": 7},
        {"boxes": [7]},
        {"boxes": [box[:5]]},
        {"boxes": [[87, 83, 77, 65, 70, 0, 1]]},
        {"boxes": [[87, 83, 77, 65, 70, PLATE]]},
        {"boxes": [[87, 83, 77, 65, 70, [0]]]},
        {"boxes": [[87.5, 83, 77, 65, 70, 0]]},
        {"boxes": [[-1, 83, 77, 65, 70, 0]]},
        {"boxes": [[87, 83, 77, 65, 101, 0]]},
        {"boxes": [[87, 83, 77, 65, True, 0]]},
        {"boxes": [[10**30, 83, 77, 65, 70, 0]]},
        {"boxes": [box], "resolution": [0, 240]},
        {"boxes": [box], "resolution": "240x240"},
        {"boxes": [box], "resolution": [240]},
    ):
        assert boxes(data) is None, data


def test_what_is_no_road_user_or_unsure_is_left_out_and_the_surest_comes_first():
    seen = [[10, 10, 10, 10, 60, 2], [20, 20, 10, 10, 90, 7], [1, 1, 1, 1, 49, 2], [1, 1, 1, 1, 99, 16]]
    assert [CLASSES[box[0]] for box in boxes({"boxes": seen})] == ["truck", "car"]
    assert len(boxes({"boxes": [[10, 10, 10, 10, 60, 2]] * 40})) == BOXES_MAX
    assert boxes({"boxes": [[320, 120, 64, 48, 80, 0]], "resolution": [640, 480]}) == [(0, 500, 250, 100, 100)]


def _camera():
    clock = Clock()
    return grove_vision.open({}, Uart(), clock), clock, Output()


def _walk(camera, clock, out, target=0, **more):
    """Somebody goes through the picture from left to right."""
    for number in range(60):
        camera._answered = False
        camera.take(event((4 * number, 120, 14, 60, 80, target), **more), out)
        clock.now_ms += 100


def test_a_walk_through_the_picture_is_one_passage():
    camera, clock, out = _camera()
    _walk(camera, clock, out)
    assert out.passages == [("person", "receding", 0)]
    assert out.faults == []


def test_only_the_classes_of_the_configuration_are_counted():
    out = Output()
    clock = Clock()
    camera = grove_vision.open({"classes": ["person", "bicycle"]}, Uart(), clock)
    for target in (0, 1, 2, 3, 5, 7):
        _walk(camera, clock, out, target)
        clock.now_ms += 2000
    assert out.passages == [("person", "receding", 0), ("bicycle", "receding", 0)]


def test_markers_in_the_metadata_never_come_out():
    camera, clock, out = _camera()
    _walk(camera, clock, out, plate=PLATE, owner={"name": PLATE}, keypoints=[[PLATE]])
    assert out.passages == [("person", "receding", 0)]
    for place in range(6):
        box = [120, 120, 14, 60, 80, 0]
        box[place] = PLATE
        camera._answered = False
        camera.take(event(box), out)
    for field in ("type", "name", "code"):
        reply = {"type": 1, "name": "INVOKE", "code": 0, "data": {"boxes": []}}
        reply[field] = PLATE
        camera.take(b"\r" + json.dumps(reply).encode() + b"\n", out)
    said = str((out.passages, out.faults, out.readings))
    assert PLATE not in said
    assert out.passages == [("person", "receding", 0)]
    assert set(out.faults) == {FAULT_BAD_FRAME}
    # The line buffer is the only place left, and the next line is written over it
    assert PLATE not in str([(track.box, track.votes) for track in camera._tracks._open])


def _random_json(random, depth=0):
    kind = random.below(9 if depth < 4 else 6)
    if kind < 3:
        return (0, -1, 1 << random.below(90))[kind]
    if kind == 3:
        return (True, None, 1.5, -1e30)[random.below(4)]
    if kind in (4, 5):
        return ("boxes", "image\u00e9", PLATE, "", "\n\r\\")[random.below(5)]
    if kind in (6, 7):
        return [_random_json(random, depth + 1) for _ in range(random.below(6))]
    keys = ("boxes", "type", "name", "code", "data", "resolution", "k" + str(random.below(1000)))
    return {keys[random.below(len(keys))]: _random_json(random, depth + 1) for _ in range(random.below(6))}


def _used():
    gc.collect()
    return gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0


def test_random_json_raises_nothing_and_grows_nothing():
    random = Random(11)
    camera, clock, out = _camera()
    before = 0
    for number in range(1500):
        reply = {"type": random.below(3), "name": "INVOKE", "code": 0, "data": _random_json(random)}
        if random.below(2):
            reply["data"] = {"boxes": _random_json(random), "resolution": [240, 240]}
        camera._answered = False
        camera.take(b"\r" + json.dumps(reply).encode() + b"\n", out)
        clock.now_ms += 100
        out.faults.clear()
        if number == 500:
            before = _used()
    assert out.passages == []
    assert _used() - before < 2000


def test_random_and_damaged_bytes_raise_nothing():
    random = Random(12)
    camera, clock, out = _camera()
    alphabet = b'\r\n{}[]",:0123456789eE+-.truefalsn\\u "boxes""INVOKE"\xff\x00'
    for number in range(3000):
        if number % 2:
            data = bytes(alphabet[random.below(len(alphabet))] for _ in range(random.below(120)))
        else:
            data = bytearray(event((120, 120, 14, 60, 80, 0)))
            data[random.below(len(data))] ^= 1 << random.below(8)
        camera._answered = False
        camera.take(bytes(data), out)
        clock.now_ms += 2000
        out.faults.clear()
    assert out.passages == []
    assert len(camera._lines._line) == LINE_MAX


def test_every_line_of_brackets_is_bounded():
    for line in (b"[" * LINE_MAX, b'{"a":' * 200, b"[[]," * 250, b'{"a":[' * 8 + b"]}" * 8, b"9" * LINE_MAX, b"{[]:1}"):
        assert message(line) is None


def _run(answer, seconds, read=None):
    """The whole driver against a module that answers commands with `answer(command, uart, clock)`."""

    async def scene():
        clock = Clock()
        uart = Uart()
        uart.on_write = lambda data: answer(data, uart, clock)
        out = Output()
        task = asyncio.create_task(grove_vision.open({}, uart, clock).run(out))
        for _ in range(seconds * 20):
            if read is not None:
                uart.arrive(read(clock))
            await clock.advance(50, 50)
        task.cancel()
        await asyncio.sleep(0)
        return out, uart

    return asyncio.run(scene())


def _walker(clock):
    x = (clock.now_ms - 3000) // 25
    return event((x, 120, 14, 60, 80, 0)) if 0 <= x <= 240 else event()


def _obedient(data, uart, clock):
    if data == INVOKE[0]:
        uart.arrive(ANSWER + _walker(clock))


def test_it_starts_the_module_and_asks_for_results_only():
    out, uart = _run(_obedient, 12)
    assert tuple(uart.sent[:2]) == START
    assert set(uart.sent[2:]) == {b"AT+INVOKE=1,0,1\r"}
    assert len(uart.sent) > 100
    assert out.passages == [("person", "receding", 0)]
    assert out.faults == []


def test_an_empty_street_is_no_fault():
    out, _ = _run(lambda data, uart, _clock: uart.arrive(ANSWER + event()) if data in INVOKE else None, 60)
    assert out.faults == []


def test_a_dead_module_is_a_fault_again_and_again():
    out, uart = _run(lambda _data, _uart, _clock: None, 60)
    assert set(out.faults) == {FAULT_NO_ANSWER}
    assert 3 <= len(out.faults) <= 5  # in every window of a minute, and no flood
    assert uart.sent.count(START[0]) >= 4


def test_a_module_that_talks_nonsense_is_bad_frames_only():
    out, _ = _run(lambda _data, _uart, _clock: None, 30, lambda _clock: b"\rnonsense\n" * 40)
    assert set(out.faults) == {FAULT_BAD_FRAME}


def test_lines_cut_short_are_bad_frames_and_the_rest_counts():
    def answer(data, uart, clock):
        if data == INVOKE[0]:
            line = _walker(clock)
            uart.arrive(line[:60] + b"\n" if clock.now_ms // 50 % 4 == 0 else line)

    out, _ = _run(answer, 14)
    assert out.passages == [("person", "receding", 0)]
    assert set(out.faults) == {FAULT_BAD_FRAME}


def test_answers_sent_twice_count_once():
    out, _ = _run(lambda data, uart, clock: uart.arrive(2 * (ANSWER + _walker(clock))) if data in INVOKE else None, 12)
    assert out.passages == [("person", "receding", 0)]
    assert out.faults == []


def test_a_module_that_sends_pictures_is_a_fault_and_is_asked_otherwise():
    def answer(data, uart, clock):
        # A firmware that knows only two arguments and takes the second for the third
        if data == INVOKE[0]:
            uart.arrive(PICTURE)
        elif data == INVOKE[1]:
            uart.arrive(_walker(clock))

    out, uart = _run(answer, 14)
    assert out.faults[0] == FAULT_BAD_FRAME
    assert uart.sent[2] == INVOKE[0]
    assert set(uart.sent[-50:]) == {INVOKE[1]}
    assert out.passages == [("person", "receding", 0)]


def test_a_module_that_refuses_three_arguments_is_asked_with_two():
    def answer(data, uart, clock):
        if data == INVOKE[0]:
            uart.arrive(REFUSAL)
        elif data == INVOKE[1]:
            uart.arrive(_walker(clock))

    out, uart = _run(answer, 12)
    assert uart.sent.count(INVOKE[0]) == 1
    assert out.passages == [("person", "receding", 0)]
    assert out.faults == []


def test_a_module_without_a_camera_is_a_fault():
    out, _ = _run(lambda data, uart, _clock: uart.arrive(ANSWER + ERROR) if data in INVOKE else None, 30)
    assert set(out.faults) == {FAULT_NO_ANSWER}


def test_a_module_that_sends_nothing_but_pictures_is_never_believed():
    out, uart = _run(lambda data, uart, _clock: uart.arrive(PICTURE) if data in INVOKE else None, 60)
    assert out.passages == []
    assert set(out.faults) == {FAULT_BAD_FRAME, FAULT_NO_ANSWER}
    assert len(uart.sent) < 60


def test_a_module_that_comes_back_is_counted_again():
    def answer(data, uart, clock):
        if data in INVOKE and clock.now_ms > 40000:
            x = (clock.now_ms - 60000) // 25
            uart.arrive(event((x, 120, 14, 60, 80, 0)) if 0 <= x <= 240 else event())

    out, _ = _run(answer, 70)
    assert out.passages == [("person", "receding", 0)]
