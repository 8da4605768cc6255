"""PMS5003 frames: found in any stream, believed only with a right checksum."""

import asyncio

from firmware.fakes import Output, Random, SelfRunningClock, Uart

from envelope import labels
from sensors import pms5003
from sensors.pms5003 import Parser

PASSIVE_ACKNOWLEDGED = b"BM\x00\x04\xe1\x00\x01\x74"


def _frame(pm1=5, pm25=9, pm10=14, standard=999):
    body = b"BM\x00\x1c"
    for value in (standard, standard, standard, pm1, pm25, pm10, 1, 2, 3, 4, 5, 6, 0x9700):
        body += value.to_bytes(2, "big")
    return body + sum(body).to_bytes(2, "big")


def test_the_atmospheric_values_of_a_frame():
    assert len(_frame()) == 32
    assert Parser().feed(_frame(5, 9, 14)) == (5, 9, 14)


def test_a_frame_split_anywhere():
    frame = _frame(100, 200, 300)
    for at in range(1, 32):
        parser = Parser()
        assert parser.feed(frame[:at]) is None
        assert parser.feed(frame[at:]) == (100, 200, 300)
    parser = Parser()
    results = [parser.feed(frame[i : i + 1]) for i in range(32)]
    assert results == [None] * 31 + [(100, 200, 300)]


def test_the_newest_of_several_frames():
    assert Parser().feed(_frame(1, 1, 1) + _frame(2, 2, 2)) == (2, 2, 2)


def test_garbage_before_a_frame_is_skipped():
    for garbage in (b"B", b"BM", b"BMB", b"BM\x00", b"\x00\xff" * 20, b"BM\x00\x1c", PASSIVE_ACKNOWLEDGED, b"BBBB"):
        parser = Parser()
        assert parser.feed(garbage + _frame(7, 8, 9) + _frame(7, 8, 9)) == (7, 8, 9), garbage


def test_every_flipped_bit_is_noticed():
    frame = _frame()
    for i in range(32):
        for bit in range(8):
            damaged = bytearray(frame)
            damaged[i] ^= 1 << bit
            assert Parser().feed(damaged) is None


def test_a_damaged_frame_is_counted_and_the_next_one_is_read():
    damaged = bytearray(_frame(1, 2, 3))
    damaged[12] ^= 0x10
    parser = Parser()
    assert parser.feed(bytes(damaged) + _frame(4, 5, 6)) == (4, 5, 6)
    assert parser.bad == 1


def test_random_bytes_give_no_value_and_take_no_memory():
    random = Random(21)
    parser = Parser()
    for _ in range(1000):
        assert parser.feed(random.generate(10)) is None
        assert len(parser._pending) <= 32


def _run(answer, seconds):
    """Run the driver against `answer(written, uart)` for some seconds."""

    async def scene():
        clock = SelfRunningClock()
        uart = Uart()
        uart.on_write = lambda data: answer(data, uart)
        driver = pms5003.open({"period_s": 10}, uart, clock)
        out = Output()
        task = asyncio.create_task(driver.run(out))
        while clock.now_ms < seconds * 1000:
            await asyncio.sleep(0)
        task.cancel()
        return out, uart

    return asyncio.run(scene())


def test_it_asks_once_a_period_after_the_fan_has_settled():
    def answer(data, uart):
        if data == b"BM\xe1\x00\x00\x01\x70":
            uart.arrive(PASSIVE_ACKNOWLEDGED)
        if data == b"BM\xe2\x00\x00\x01\x71":
            uart.arrive(_frame(5, 9, 14))

    out, uart = _run(answer, 101)
    assert out.faults == []
    assert out.readings == [(4, 50), (5, 90), (6, 140)] * (len(out.readings) // 3)
    assert 6 <= len(out.readings) // 3 <= 8
    assert uart.sent[0] == b"BM\xe4\x00\x01\x01\x74"


def test_the_checksums_of_our_commands():
    for command in (pms5003._WAKE, pms5003._PASSIVE, pms5003._READ):
        assert sum(command[:5]) == int.from_bytes(command[5:], "big")


def test_silence_is_a_fault_and_the_chip_is_woken_again():
    out, uart = _run(lambda _data, _uart: None, 200)
    assert out.readings == []
    assert set(out.faults) == {labels.FAULT_NO_ANSWER}
    assert len(out.faults) >= 3
    assert uart.sent.count(b"BM\xe4\x00\x01\x01\x74") >= 3


def test_noise_is_a_fault_and_never_a_value():
    random = Random(8)
    out, _ = _run(lambda _data, uart: uart.arrive(random.generate(40)), 300)
    assert out.readings == []
    assert set(out.faults) == {labels.FAULT_BAD_FRAME}


def test_values_beyond_the_sensors_range_are_implausible():
    def answer(data, uart):
        if data[2] == 0xE2:
            uart.arrive(_frame(5, 2000, 14))

    out, _ = _run(answer, 60)
    assert out.readings == []
    assert set(out.faults) == {labels.FAULT_IMPLAUSIBLE}


def test_a_chip_that_talks_unasked_is_read_too_with_its_newest_frame():
    state = [0]

    def answer(_data, uart):
        state[0] += 1
        uart.arrive(_frame(state[0], state[0], state[0]) * 3)

    out, _ = _run(answer, 60)
    assert out.faults == []
    assert out.readings[0] == (4, 30)
