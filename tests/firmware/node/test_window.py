"""Windows follow the Unix clock without gaps, and own up to a clock that jumps."""

from firmware.fakes import Clock

from node.window import Timetable

WINDOW_S = 900
BOUNDARY_MS = 1654041600000  # 2022-06-01T00:00:00Z, a multiple of 900 s


def _pass_window(clock, window):
    while not window.over():
        clock.now_ms += max(1, window.nap_ms(5000))


def test_windows_are_aligned_and_without_gaps():
    clock = Clock(BOUNDARY_MS + 123456)
    timetable = Timetable(clock, WINDOW_S)
    window = timetable.open(2)
    assert window.start_s == (BOUNDARY_MS + 123456) // 1000
    _pass_window(clock, window)
    assert window.length_s() == 900 - 123
    for number in range(1, 6):
        clock.now_ms += 1400  # the signature takes a while
        window = timetable.open(2)
        assert window.start_s == BOUNDARY_MS // 1000 + 900 * number
        _pass_window(clock, window)
        assert window.length_s() == WINDOW_S
        assert not window.jumped()


def test_a_jump_forward_closes_the_window_with_its_real_length():
    clock = Clock(BOUNDARY_MS)
    timetable = Timetable(clock, WINDOW_S)
    window = timetable.open(1)
    clock.now_ms += 100000
    assert not window.over()
    clock.set_unix_ms(clock.unix_ms() + 86400000 * 365)
    assert window.over()
    assert (window.start_s, window.length_s(), window.quality) == (BOUNDARY_MS // 1000, 100, 1)
    following = timetable.open(2)
    assert following.start_s == clock.unix_s()


def test_a_jump_backward_closes_the_window_with_its_real_length():
    clock = Clock(BOUNDARY_MS)
    timetable = Timetable(clock, WINDOW_S)
    window = timetable.open(1)
    clock.now_ms += 100000
    clock.set_unix_ms(clock.unix_ms() - 3600000)
    assert window.over()
    assert window.length_s() == 100
    following = timetable.open(2)
    assert following.start_s == clock.unix_s()
    _pass_window(clock, following)
    assert following.length_s() == 800


def test_what_was_reported_is_not_reported_again_when_the_clock_was_set_back_a_little():
    clock = Clock(BOUNDARY_MS)
    timetable = Timetable(clock, WINDOW_S)
    window = timetable.open(2)
    clock.now_ms += 100000
    clock.set_unix_ms(clock.unix_ms() - 40000)
    assert window.over()
    assert window.end_s() == BOUNDARY_MS // 1000 + 100
    following = timetable.open(2, window.end_s() * 1000)
    assert following.start_s == window.end_s()
    _pass_window(clock, following)
    assert (following.length_s(), following.end_s()) == (800, BOUNDARY_MS // 1000 + 900)
    # Further back it is the city that says so, and the clock is right
    clock.set_unix_ms(clock.unix_ms() - 86400000)
    assert timetable.open(3, following.end_s() * 1000).start_s == clock.unix_s()


def test_a_window_that_nobody_closes_is_overdue():
    clock = Clock(BOUNDARY_MS + 300000)
    window = Timetable(clock, WINDOW_S).open(2)
    clock.now_ms += 600000 + 59000
    assert window.over()
    assert not window.overdue()
    clock.now_ms += 2000
    assert window.overdue()
    # Whatever the calendar says
    clock.set_unix_ms(BOUNDARY_MS)
    assert window.overdue()


def test_a_correction_of_a_second_is_no_jump():
    for step_ms in (-1500, 1500):
        clock = Clock(BOUNDARY_MS)
        timetable = Timetable(clock, WINDOW_S)
        window = timetable.open(1)
        clock.now_ms += 880000
        clock.set_unix_ms(clock.unix_ms() + step_ms)
        assert not window.over()
        _pass_window(clock, window)
        assert abs(window.length_s() - WINDOW_S) <= 2
        assert timetable.open(2).start_s == BOUNDARY_MS // 1000 + 900


def test_a_step_back_over_the_boundary_does_not_report_a_window_twice():
    clock = Clock(BOUNDARY_MS)
    timetable = Timetable(clock, WINDOW_S)
    _pass_window(clock, timetable.open(2))
    clock.set_unix_ms(clock.unix_ms() - 1000)
    window = timetable.open(2)
    assert window.start_s == BOUNDARY_MS // 1000 + 900
    _pass_window(clock, window)
    assert window.length_s() in (900, 901)


def test_a_clock_that_was_never_set_still_has_windows():
    clock = Clock(946684800000 + 5000)
    timetable = Timetable(clock, WINDOW_S)
    window = timetable.open(0)
    _pass_window(clock, window)
    assert (window.quality, window.length_s()) == (0, 895)


def test_millisecond_ticks_may_wrap_inside_a_window():
    clock = Clock(BOUNDARY_MS)
    clock.now_ms = 0x3FFFFFFF - 1000
    clock.set_unix_ms(BOUNDARY_MS)
    window = Timetable(clock, WINDOW_S).open(2)
    _pass_window(clock, window)
    assert window.length_s() == WINDOW_S
    assert not window.jumped()


def test_the_nap_ends_with_the_window():
    clock = Clock(BOUNDARY_MS)
    window = Timetable(clock, WINDOW_S).open(2)
    assert window.nap_ms(5000) == 5000
    clock.now_ms += 899999
    assert window.nap_ms(5000) == 1
    clock.now_ms += 10
    assert window.nap_ms(5000) == 0


def test_a_new_length_holds_from_the_next_window_on():
    clock = Clock(BOUNDARY_MS)
    timetable = Timetable(clock, WINDOW_S)
    window = timetable.open(2)
    timetable.set_window_s(3600, WINDOW_S)
    _pass_window(clock, window)
    assert window.length_s() == WINDOW_S
    lengths = []
    for _ in range(3):
        window = timetable.open(2)
        assert not lengths or window.start_s * 1000 % 3600000 == 0
        _pass_window(clock, window)
        lengths.append(window.length_s())
    assert lengths == [2700, 3600, 3600]
    timetable.set_window_s(900, WINDOW_S)
    _pass_window(clock, timetable.open(2))
    assert timetable.open(2).start_s == BOUNDARY_MS // 1000 + 900 + 2700 + 3600 + 3600 + 900


def test_no_window_is_shorter_than_provisioned_however_the_length_changes():
    clock = Clock(BOUNDARY_MS)
    timetable = Timetable(clock, WINDOW_S)
    lengths = []
    start_s = BOUNDARY_MS // 1000
    for window_s in (900, 1200, 900, 1350, 60, 1200, 86400, 900, 7200, 1, 3600, 43200, 86400, 1350):
        timetable.set_window_s(window_s, 900)
        window = timetable.open(2)
        assert window.start_s == start_s
        _pass_window(clock, window)
        lengths.append(window.length_s())
        start_s += lengths[-1]
    assert all(WINDOW_S <= length <= 86400 for length in lengths), lengths
