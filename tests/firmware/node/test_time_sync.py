"""SNTP answers are believed only when they answer our question and make sense."""

import asyncio

from firmware.fakes import Clock, Random, raises

from envelope import labels
from node import sntp
from node.errors import ProtocolError
from node.time_sync import TimeSync

COOKIE = b"\x01\x02\x03\x04\x05\x06\x07\x08"
UNIX_S = 1654041600
WINDOW_S = 900
DAY_S = 86400
YEAR_S = 365 * DAY_S


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


class Ledger:
    """node.ledger, as far as the clock asks it: what was kept is what a boot finds."""

    def __init__(self, end_s=0, clock_set=False):
        self.end_s = end_s
        self.clock_set = clock_set
        self.kept = end_s, clock_set

    def keep_time(self):
        self.kept = self.end_s, self.clock_set


def _keeper(clock, answer=None, delay_ms=0, host="ntp", ledger=None):
    keeper = TimeSync(clock, Radio(clock, answer, delay_ms), host, Random(), ledger or Ledger())
    keeper.window_s = WINDOW_S
    return keeper


def _sync(answer, delay_ms=0, unix_ms=946684800000, host="ntp"):
    clock = Clock(unix_ms)
    keeper = _keeper(clock, answer, delay_ms, host)
    return asyncio.run(keeper.sync()), clock, keeper


def test_the_question_says_nothing_about_our_clock():
    assert sntp.question(COOKIE) == b"\x23" + bytes(39) + COOKIE


def test_the_time_in_milliseconds():
    assert sntp.answer_ms(_answer(COOKIE), COOKIE) == UNIX_S * 1000 + 500


def test_after_2036_the_counter_starts_again():
    assert sntp.answer_ms(_answer(COOKIE, 2100000000), COOKIE) == 2100000000500


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
        _answer(COOKIE, unix_s=sntp.EARLIEST_S - 1),
    )
    for packet in bad:
        raises(ProtocolError, sntp.answer_ms, packet, COOKIE)


def test_random_answers_never_set_the_clock():
    random = Random(4)
    for _ in range(300):
        ok, clock, _ = _sync(lambda _cookie: random.generate(48))
        assert not ok
        assert clock.unix_s() < sntp.EARLIEST_S


def test_a_good_answer_sets_the_clock_in_the_middle_of_the_round_trip():
    ok, clock, keeper = _sync(_answer, delay_ms=400)
    assert ok
    assert clock.unix_ms() == UNIX_S * 1000 + 500 + 200
    assert keeper.quality() == labels.CLOCK_SYNCHRONISED


def test_a_slow_answer_a_bad_one_and_none_leave_the_clock_alone():
    for answer, delay_ms in ((_answer, 2500), (lambda _cookie: b"x" * 48, 0), (OSError(113), 0), (EOFError(), 0)):
        ok, clock, keeper = _sync(answer, delay_ms)
        assert not ok
        assert clock.unix_s() < sntp.EARLIEST_S
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
    assert _keeper(clock, ledger=Ledger(UNIX_S - 60, True)).quality() == labels.CLOCK_FREE_RUNNING
    assert _keeper(clock, ledger=Ledger(UNIX_S - 60, False)).quality() == labels.CLOCK_NEVER


def test_it_asks_every_six_hours_and_never_without_a_host():
    ok, clock, keeper = _sync(_answer)
    assert ok
    assert not keeper.due()
    clock.now_ms += 6 * 3600 * 1000
    assert keeper.due()
    assert not _keeper(clock, host="").due()


def _at(unix_s):
    """A server that says so."""
    return lambda cookie: _answer(cookie, unix_s, fraction=0)


def _ask(keeper, unix_s):
    keeper._radio.answer = _at(unix_s)
    return asyncio.run(keeper.sync())


def _set_keeper(ledger=None):
    """A clock that NTP set, and its keeper."""
    clock = Clock(946684800000)
    keeper = _keeper(clock, ledger=ledger)
    assert _ask(keeper, UNIX_S)
    return clock, keeper


def test_a_jump_of_an_hour_or_more_is_not_believed_while_the_clock_was_set_within_a_week():
    for jump_s in (YEAR_S, DAY_S, 3700, -3700, -DAY_S, -YEAR_S):
        clock, keeper = _set_keeper()
        for _ in range(27):
            clock.now_ms += 6 * 3600 * 1000
            assert not _ask(keeper, clock.unix_s() + jump_s)
            assert clock.unix_s() == UNIX_S + (clock.now_ms - 1000) // 1000
        assert keeper.quality() == labels.CLOCK_FREE_RUNNING
        clock.now_ms += 6 * 3600 * 1000
        assert _ask(keeper, clock.unix_s() + jump_s), "nobody else says better, in a week"


def test_a_drift_is_corrected_at_any_time():
    for drift_s in (-250, -3, 0, 3, 3000):
        clock, keeper = _set_keeper()
        keeper._ledger.end_s = clock.unix_s()
        clock.now_ms += 60000
        assert _ask(keeper, clock.unix_s() + drift_s)
        assert clock.unix_s() == UNIX_S + 60 + drift_s


def test_what_was_reported_is_not_lived_again_on_the_word_of_a_time_server():
    for back_s in (400, 3600, DAY_S, YEAR_S):
        ledger = Ledger(UNIX_S, True)
        clock = Clock(946684800000)
        keeper = _keeper(clock, ledger=ledger)
        assert not _ask(keeper, UNIX_S - back_s)
        assert clock.unix_s() == UNIX_S


def test_after_a_power_cut_time_goes_on_where_the_reports_ended_and_was_never_set():
    ledger = Ledger(UNIX_S, True)
    clock = Clock(946684800000)
    keeper = _keeper(clock, ledger=ledger)
    assert clock.unix_s() == UNIX_S
    assert keeper.quality() == labels.CLOCK_NEVER
    assert ledger.kept == (UNIX_S, False)
    # A reset that leaves the calendar alone does not make it better
    assert _keeper(clock, ledger=Ledger(*ledger.kept)).quality() == labels.CLOCK_NEVER
    assert _ask(keeper, UNIX_S + DAY_S)
    assert (clock.unix_s(), keeper.quality()) == (UNIX_S + DAY_S, labels.CLOCK_SYNCHRONISED)


def test_a_letter_sets_a_clock_that_nobody_set_to_the_time_since_the_message():
    clock = Clock(946684800000)
    keeper = _keeper(clock, host="")
    keeper.correct(UNIX_S, WINDOW_S + 2)
    assert (clock.unix_s(), keeper.quality()) == (UNIX_S + WINDOW_S + 2, labels.CLOCK_SIGNED)
    clock.now_ms += 25 * 3600 * 1000
    assert keeper.quality() == labels.CLOCK_FREE_RUNNING


def test_a_letter_leaves_a_clock_alone_that_was_set_within_a_day_and_may_be_right():
    clock, keeper = _set_keeper()
    for age_s in (0, 5, WINDOW_S):
        keeper.correct(UNIX_S, age_s)
        keeper.correct(UNIX_S - age_s, age_s)
        assert (clock.unix_s(), keeper.quality()) == (UNIX_S, labels.CLOCK_SYNCHRONISED)
    clock.now_ms += DAY_S * 1000
    keeper.correct(UNIX_S + DAY_S - 60, 70)
    assert (clock.unix_s(), keeper.quality()) == (UNIX_S + DAY_S + 10, labels.CLOCK_SIGNED)


def test_who_delays_messages_moves_a_clock_forward_by_a_window_and_ten_minutes_at_most_and_never_back():
    longest_s = WINDOW_S + 600
    for sent_to_heard_s in (0, 1, 600, longest_s, longest_s + 1, DAY_S):
        for heard_to_read_s in (0, 5, WINDOW_S, longest_s, 13 * DAY_S):
            clock = Clock(946684800000)
            keeper = _keeper(clock, host="")
            heard_s = UNIX_S + sent_to_heard_s
            age_s = sent_to_heard_s + heard_to_read_s
            keeper.correct(heard_s, age_s)
            right_s = UNIX_S + age_s
            if age_s > longest_s:
                assert keeper.quality() == labels.CLOCK_NEVER
            else:
                assert 0 <= clock.unix_s() - right_s <= sent_to_heard_s <= longest_s


def test_a_later_letter_that_was_not_delayed_takes_the_delay_back():
    clock = Clock(946684800000)
    keeper = _keeper(clock, host="")
    keeper.correct(UNIX_S + 1400, 1400)
    assert clock.unix_s() == UNIX_S + 2800
    clock.now_ms += 900000
    keeper.correct(UNIX_S + 2300, 3)
    assert clock.unix_s() == UNIX_S + 2303


def test_a_clock_that_a_lie_set_years_ahead_is_taken_back_by_the_city_and_stays():
    ledger = Ledger()
    clock, keeper = _set_keeper(ledger)
    clock.set_unix_ms((UNIX_S + 3 * YEAR_S) * 1000)  # as if the first answer after boot had been a lie
    ledger.end_s = clock.unix_s()
    keeper.correct(UNIX_S, 5)
    assert (clock.unix_s(), keeper.quality()) == (UNIX_S + 5, labels.CLOCK_SIGNED)
    assert ledger.kept == (UNIX_S + 5, True), "it would come back with the next boot"
    # The liar goes on lying, and is not believed any more
    clock.now_ms += 6 * 3600 * 1000
    assert keeper.due()
    assert not _ask(keeper, UNIX_S + 3 * YEAR_S)
    # The power fails: the lie does not come back
    again = Clock(946684800000)
    _keeper(again, ledger=Ledger(*ledger.kept))
    assert again.unix_s() == UNIX_S + 5


def test_an_absurd_time_in_a_letter_sets_nothing():
    for city_s, age_s in ((0, 5), (1, 5), (sntp.EARLIEST_S - 1, 5), (1 << 32, 5), (1 << 60, 5), (UNIX_S, -1)):
        clock = Clock(946684800000)
        keeper = _keeper(clock, host="")
        keeper.correct(city_s, age_s)
        assert clock.unix_s() == 946684800


def test_uptime_goes_on_when_ticks_start_again():
    clock = Clock(UNIX_S * 1000)
    keeper = _keeper(clock)
    for day in range(1, 40):
        clock.now_ms += DAY_S * 1000
        assert keeper.uptime_s() == day * DAY_S
