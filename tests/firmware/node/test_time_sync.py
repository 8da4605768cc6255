"""SNTP answers are believed only when they answer our question and make sense."""

import asyncio

from firmware.fakes import Clock, Random, raises

from envelope import labels
from node import time_sync
from node.errors import ProtocolError
from node.time_sync import TimeSync

COOKIE = b"\x01\x02\x03\x04\x05\x06\x07\x08"
UNIX_S = 1654041600


def _answer(cookie, unix_s=UNIX_S, first=0x24, stratum=2, fraction=0x80000000):
    seconds = (unix_s + 2208988800) % (1 << 32)
    head = bytes((first, stratum)) + bytes(22) + cookie + bytes(8)
    return head + seconds.to_bytes(4, "big") + fraction.to_bytes(4, "big")


class Radio:
    """Answers like a server whose `answer` a test chooses."""

    def __init__(self, clock, answer, delay_ms=0):
        self.clock = clock
        self.answer = answer
        self.delay_ms = delay_ms

    async def ask(self, _host, port, question, size):
        assert (port, len(question), size) == (123, 48, 48)
        self.clock.now_ms += self.delay_ms
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer(question[40:48])


def _sync(answer, delay_ms=0, unix_ms=946684800000, host="ntp"):
    clock = Clock(unix_ms)
    keeper = TimeSync(clock, Radio(clock, answer, delay_ms), host, Random())
    return asyncio.run(keeper.sync()), clock, keeper


def test_the_question_says_nothing_about_our_clock():
    assert time_sync.question(COOKIE) == b"\x23" + bytes(39) + COOKIE


def test_the_time_in_milliseconds():
    assert time_sync.answer_ms(_answer(COOKIE), COOKIE) == UNIX_S * 1000 + 500


def test_after_2036_the_counter_starts_again():
    assert time_sync.answer_ms(_answer(COOKIE, 2100000000), COOKIE) == 2100000000500


def test_answers_that_cannot_be_trusted():
    bad = (
        b"",
        _answer(COOKIE)[:47],
        _answer(b"\x00" * 8),
        _answer(COOKIE, first=0x23),  # a client's packet
        _answer(COOKIE, first=0x14),  # version 2
        _answer(COOKIE, first=0xE4),  # leap alarm: not synchronised
        _answer(COOKIE, stratum=0),  # kiss of death
        _answer(COOKIE, stratum=16),
        _answer(COOKIE, unix_s=time_sync.EARLIEST_S - 1),
    )
    for packet in bad:
        raises(ProtocolError, time_sync.answer_ms, packet, COOKIE)


def test_random_answers_never_set_the_clock():
    random = Random(4)
    for _ in range(300):
        ok, clock, _ = _sync(lambda _cookie: random.generate(48))
        assert not ok
        assert clock.unix_s() < time_sync.EARLIEST_S


def test_a_good_answer_sets_the_clock_in_the_middle_of_the_round_trip():
    ok, clock, keeper = _sync(_answer, delay_ms=400)
    assert ok
    assert clock.unix_ms() == UNIX_S * 1000 + 500 + 200
    assert keeper.quality() == labels.CLOCK_SYNCHRONISED


def test_a_slow_answer_a_bad_one_and_none_leave_the_clock_alone():
    for answer, delay_ms in ((_answer, 2500), (lambda _cookie: b"x" * 48, 0), (OSError(113), 0), (EOFError(), 0)):
        ok, clock, keeper = _sync(answer, delay_ms)
        assert not ok
        assert clock.unix_s() < time_sync.EARLIEST_S
        assert keeper.quality() == labels.CLOCK_NEVER
        assert keeper.due()


def test_quality_falls_to_free_running_after_a_day():
    ok, clock, keeper = _sync(_answer)
    assert ok
    clock.now_ms += 23 * 3600 * 1000
    assert keeper.quality() == labels.CLOCK_SYNCHRONISED
    clock.now_ms += 2 * 3600 * 1000
    assert keeper.quality() == labels.CLOCK_FREE_RUNNING


def test_a_set_clock_that_was_not_checked_is_free_running():
    clock = Clock(UNIX_S * 1000)
    assert TimeSync(clock, None, "ntp", Random()).quality() == labels.CLOCK_FREE_RUNNING


def test_it_asks_every_six_hours_and_never_without_a_host():
    ok, clock, keeper = _sync(_answer)
    assert ok
    assert not keeper.due()
    clock.now_ms += 6 * 3600 * 1000
    assert keeper.due()
    assert not TimeSync(clock, None, "", Random()).due()
