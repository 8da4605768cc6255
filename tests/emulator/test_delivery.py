"""What does not get through waits in flash, oldest first, and leaves only once the broker has acknowledged it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lamp_post import LampPost, make_city
from mosquitto_process import Mosquitto

from hadeda.collect.collector import Status

RaisePost = Callable[..., LampPost]


def waiting(post: LampPost) -> int:
    """Sealed bytes in the node's store."""
    return sum(len(data) for path, data in post.files().items() if path.endswith(".seg"))


def check_drained(post: LampPost, count: int) -> None:
    """Everything has arrived once, oldest first, and has left the store."""
    reports = post.wait_stored(count)
    assert [report.sequence for report in reports] == list(range(len(reports)))
    arrived = [post.opened(sealed).sequence for sealed in post.collector.messages]
    assert arrived == sorted(arrived), post.explain(f"not oldest first: {arrived}")
    assert post.count(Status.REPLAYED) == post.count(Status.REJECTED) == 0
    check_empty(post)


def check_empty(post: LampPost) -> None:
    """Nothing waits; a window may close just while we look, so there are a few looks."""
    for _ in range(4):
        if waiting(post) == 0:
            return
        post.run_until(post.clock_s + 5)
    raise AssertionError(post.explain("reports still wait"))


def test_reports_wait_while_the_broker_is_down_and_drain_oldest_first(raise_post: RaisePost) -> None:
    post = raise_post()
    post.power_on()
    post.run_windows(3)
    assert post.count(Status.STORED) == 0
    held = waiting(post)
    assert held > 3 * 150, post.explain("the store does not hold three reports")
    post.open_city()
    post.run_until(lambda: post.count(Status.STORED) >= 4)
    post.run_until(post.clock_s + 5)
    check_drained(post, 4)
    assert [report.health.waiting for report in post.stored[:3]] == [0, 1, 2], "reports did not wait for each other"


def test_a_broker_that_restarts_gets_the_rest(raise_post: RaisePost) -> None:
    post = raise_post()
    broker = post.open_city()
    post.power_on()
    post.run_windows(1)
    post.wait_stored(1)
    broker.stop()
    post.run_windows(2)
    broker.start()
    post.run_until(lambda: post.count(Status.STORED) >= 3)
    post.run_until(post.clock_s + 5)
    check_drained(post, 3)


def test_a_wrong_login_sends_nothing_and_loses_nothing(raise_post: RaisePost) -> None:
    def mistype(config: dict[str, Any]) -> None:
        config["broker"]["password"] = "mistyped"

    post = raise_post(changed_config=mistype)
    broker = post.open_city()
    post.power_on()
    post.run_windows(3)
    assert post.collector.messages == []
    assert "not authorised" in broker.log, broker.log[-500:]
    assert "not sent" in post.console, post.explain("the node does not say that it could not send")
    assert waiting(post) > 3 * 150
    assert post.emulated.resets == [1], post.explain("the node did not keep running")


def test_a_broker_of_another_city_is_never_sent_anything(raise_post: RaisePost, tmp_path: Path) -> None:
    post = raise_post()
    with (
        make_city(tmp_path / "other", post.city.settings.broker.port) as other,
        Mosquitto(post.city, post.folder / "false", certificates=other) as broker,
    ):
        post.power_on()
        post.run_windows(3)
        assert "as auto-" not in broker.log, "the node spoke MQTT to a broker of another city"
        assert "New connection" in broker.log, "nobody called: this test sees nothing"
    assert waiting(post) > 3 * 150
    post.open_city()
    post.run_until(lambda: post.count(Status.STORED) >= 3)
    post.run_until(post.clock_s + 5)
    check_drained(post, 3)


def test_a_radio_out_of_reach_delays_reports_and_loses_none(raise_post: RaisePost) -> None:
    post = raise_post()
    post.open_city()
    post.power_on()
    post.run_windows(1)
    post.wait_stored(1)
    post.emulated.radio.lose_reach()
    post.run_windows(3)
    assert post.count(Status.STORED) == 1
    post.emulated.radio.regain_reach()
    post.run_until(lambda: post.count(Status.STORED) >= 5)
    post.run_until(post.clock_s + 5)
    check_drained(post, 5)
    assert {report.window_s for report in post.stored[1:]} == {60}, "the blackout moved the windows"


def test_reports_wait_through_a_power_cut(raise_post: RaisePost) -> None:
    post = raise_post()
    post.power_on()
    post.run_windows(2)
    post.power_off()
    post.wait_without_power(30)
    post.open_city()
    post.power_on()
    post.run_until(lambda: post.count(Status.STORED) >= 3)
    post.run_until(post.clock_s + 5)
    reports = post.wait_stored(3)
    assert [report.health.boots for report in reports[:3]] == [1, 1, 2]
    check_empty(post)
