"""A clock that is wrong, silent or lied to: the report says how good it is, and no window comes twice."""

from collections.abc import Callable
from datetime import UTC, datetime

from lamp_post import LampPost

from hadeda.collect.collector import Status
from hadeda.envelope import labels

DAY_S = 86400
YEAR_S = 365 * DAY_S
RaisePost = Callable[..., LampPost]


def test_without_a_time_server_the_city_sees_a_clock_that_was_never_set(post: LampPost) -> None:
    post.emulated.radio.ntp_offset_s = None
    post.power_on()
    post.run_windows(3)
    reports = post.wait_stored(2)
    assert (reports[0].clock, reports[0].window_start.year) == ("never set", 2000)
    starts = [report.window_start for report in reports]
    assert starts == sorted(set(starts))


def test_without_a_time_server_the_citys_letter_sets_the_clock(post: LampPost) -> None:
    post.emulated.radio.ntp_offset_s = None
    post.power_on()
    post.run_windows(5)
    last = sorted(post.wait_stored(4), key=lambda report: report.sequence)[-1]
    assert last.clock == "set by the city"
    assert abs(last.window_start.timestamp() + last.window_s - last.received_at.timestamp()) < 30


def test_a_power_cut_without_a_time_server_starts_no_time_again(post: LampPost) -> None:
    post.emulated.radio.ntp_offset_s = None
    post.collector.lose = lambda topic, _payload: topic != post.city.settings.broker.topic  # no letters
    for windows in (3, 3, 3):
        post.power_on()
        post.run_windows(windows)
        post.power_off()
        post.wait_without_power(3600)
    reports = sorted(post.wait_stored(3), key=lambda report: report.sequence)
    assert {report.clock for report in reports} == {"never set"}
    ends = [report.window_start.timestamp() + report.window_s for report in reports]
    starts = [report.window_start.timestamp() for report in reports]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False)), post.explain("time came twice")


def test_a_time_server_that_comes_late_sets_the_clock_and_cuts_one_window_short(post: LampPost) -> None:
    post.emulated.radio.ntp_offset_s = None
    post.power_on()
    post.run_windows(2)
    post.emulated.radio.ntp_offset_s = 0.0
    post.run_windows(4)
    reports = post.wait_stored(4)
    by_number = sorted(reports, key=lambda report: report.sequence)
    clocks = [report.clock for report in by_number]
    assert clocks[0] == "never set"
    assert clocks[-1] == "synchronised"
    assert clocks == sorted(clocks), clocks
    last = by_number[-1].window_start.timestamp()
    assert abs(last - post.emulated.now()) < 150, post.explain("the clock is not right")
    assert last % 60 == 0
    starts = [report.window_start for report in by_number]
    assert starts == sorted(set(starts))
    assert sum(report.window_s for report in by_number) <= 6 * 60 + 10, "windows overlap in real time"


def test_a_time_before_2021_is_not_believed(post: LampPost) -> None:
    post.emulated.radio.ntp_offset_s = -5 * YEAR_S
    post.power_on()
    post.run_windows(2)
    assert {report.clock for report in post.wait_stored(1)} == {"never set"}


def test_a_lying_time_server_repeats_no_number_and_no_window(post: LampPost) -> None:
    post.emulated.radio.ntp_offset_s = 3 * YEAR_S
    post.power_on()
    post.run_windows(2)
    post.wait_stored(2)
    post.power_off()
    post.emulated.radio.ntp_offset_s = 0.0
    post.power_on()
    post.run_windows(4)
    reports = sorted(post.wait_stored(5), key=lambda report: report.sequence)
    # The first report says so, the city's letter takes it back, and a power cut does not bring the lie back
    assert reports[0].window_start.year == 2025
    last = reports[-1]
    assert last.window_start.year == 2022
    assert last.clock in ("set by the city", "synchronised")
    assert abs(last.window_start.timestamp() + last.window_s - last.received_at.timestamp()) < 30
    assert len({report.sequence for report in reports}) == len(reports)
    assert post.count(Status.REJECTED) == post.count(Status.REPLAYED) == 0


def test_a_letter_about_a_report_of_an_earlier_boot_does_not_set_the_clock_back(post: LampPost) -> None:
    """There is no receipt for it yet, so it is sent again: the city says when it came, and that was yesterday."""
    post.power_on()
    post.run_until_stored(2)
    post.power_off()
    post.wait_without_power(DAY_S)
    post.command(labels.OPERATION_LOCATE)  # so that a letter is due with whatever comes
    post.power_on()
    post.run_windows(4)
    assert post.count(Status.REPEATED) >= 2, "nothing was sent again: this test sees nothing"
    assert post.collector.letters_written
    reports = sorted(post.stored, key=lambda report: report.index)
    starts = [report.window_start for report in reports]
    assert starts == sorted(starts), post.explain("the clock went back")
    assert {report.clock for report in reports} == {"synchronised"}
    assert [report.window_s for report in reports[3:]] == [post.window_s] * len(reports[3:]), "windows were cut short"


def test_windows_do_not_depend_on_the_radio(raise_post: RaisePost) -> None:
    """The clock was never set and nobody can be reached: windows are made all the same, and arrive later."""
    post = raise_post()
    post.emulated.radio.lose_reach()
    post.power_on()
    post.run_windows(3)
    post.emulated.radio.regain_reach()
    post.open_city()
    post.run_until(lambda: post.count(Status.STORED) >= 3)
    reports = post.stored
    assert reports[0].clock == "never set"
    assert reports[0].window_start < datetime(2000, 1, 2, tzinfo=UTC)
    assert [report.sequence for report in reports] == list(range(len(reports)))
