"""What does not get through waits in flash, oldest first, and leaves only with the city's signed receipt."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lamp_post import LampPost, make_city
from mosquitto_process import Mosquitto

from hadeda.collect.collector import Status
from hadeda.registry import Node, find_node
from hadeda.registry.outbox import gaps

RaisePost = Callable[..., LampPost]
WINDOWS_AWAY = 12
PATIENCE = 8  # sessions without a receipt, twice as many the second time


def waiting(post: LampPost) -> int:
    """Sealed bytes in the node's store."""
    return sum(len(data) for path, data in post.files().items() if path.endswith(".seg"))


def check_drained(post: LampPost, count: int) -> None:
    """Everything has arrived oldest first, and is stored once."""
    reports = post.wait_stored(count)
    assert [report.sequence for report in reports] == list(range(len(reports)))
    assert [report.index for report in reports] == list(range(1, len(reports) + 1))
    first = list(dict.fromkeys(post.collector.messages))  # what a reset sends again is no matter
    arrived = [post.opened(sealed).sequence for sealed in first]
    assert arrived == sorted(arrived), post.explain(f"not oldest first: {arrived}")
    assert post.count(Status.REPLAYED) == post.count(Status.REJECTED) == 0
    check_let_go(post)


def kept_before(post: LampPost, sealed: bytes) -> int:
    """How many reports a node kept when it wrote this one."""
    return post.opened(sealed).report.outbox.kept_before


def check_let_go(post: LampPost) -> None:
    """The city's receipts reach the node: a report says that it keeps few."""
    said: list[int] = []

    def few() -> bool:
        said[:] = [post.opened(sealed).report.outbox.kept_before for sealed in post.collector.reports[-1:]]
        return said == [0] or said == [1]

    assert post.run_until_known(few, 12), post.explain(f"no receipt: {said} are kept")
    assert gaps(post.city.database, find_node(post.city.database, post.name)) == []


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
    assert [kept_before(post, report) for report in post.collector.reports[:3]] == [0, 1, 2], (
        "reports did not wait for each other"
    )


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
    check_let_go(post)


def test_a_broker_that_acknowledges_and_loses_its_disk_loses_nothing(raise_post: RaisePost) -> None:
    post = raise_post()
    lost: list[bytes] = []

    def lose(topic: str, payload: bytes) -> bool:
        if topic == post.city.settings.broker.topic and payload not in lost and len(lost) < 3:
            lost.append(payload)
            return True
        return False

    post.collector.lose = lose
    post.open_city()
    post.power_on()
    assert post.run_until_known(
        lambda: (
            {post.opened(one).sequence for one in lost} <= {report.sequence for report in post.stored}
            and len(lost) == 3
        ),
        24,
    ), post.explain("what the broker lost did not come again")
    reports = post.stored
    assert sorted(report.index for report in reports) == list(range(1, len(reports) + 1))
    again = [payload for payload in post.collector.messages if payload in lost]
    assert len(again) >= 6, "the same bytes"
    post.collector.lose = lambda _topic, _payload: False
    check_let_go(post)


def test_a_collector_that_is_away_costs_nothing(raise_post: RaisePost) -> None:
    """Nobody was subscribed: the broker acknowledged and kept nothing, also when the node sent it all again."""
    post = raise_post()
    post.broker().start()
    post.power_on()
    post.run_windows(WINDOWS_AWAY)
    assert post.count(Status.STORED) == 0
    assert waiting(post) > WINDOWS_AWAY * 241, post.explain("the node let go of what nobody has")
    post.collect()
    sent_again = 3 * PATIENCE
    known = post.run_until_known(lambda: registered(post).through >= WINDOWS_AWAY, sent_again, 200.0)
    assert known, post.explain("not all came")
    reports = sorted(post.stored, key=lambda report: report.index)
    assert [report.index for report in reports] == list(range(1, len(reports) + 1))
    assert len({report.window_start for report in reports}) == len(reports)
    check_let_go(post)


def registered(post: LampPost) -> Node:
    """The registry's row of the node."""
    return find_node(post.city.database, post.name)
