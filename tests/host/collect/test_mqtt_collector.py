"""The collector behind a real Mosquitto over TLS: nothing lost, nothing twice, and it survives what is sent to it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mqtt_helpers import PATIENCE_S, check_rights, mosquitto, publish, publisher, retained, wait_until
from sealing import enrolled, example_report

from hadeda.city import City
from hadeda.collect import Collector, MqttCollector, Status
from hadeda.collect import collector as collector_module
from hadeda.collect import mqtt as mqtt_module
from hadeda.collect.broker import free_port
from hadeda.collect.mqtt import _client_id
from hadeda.envelope import labels
from hadeda.errors import BrokerError, CityError
from hadeda.registry import count_reports, refused
from hadeda.registry.commands import queue
from hadeda.registry.nodes import select_node


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    """A city whose broker has a port of its own."""
    with City.init(tmp_path / "city", "Testville", broker_port=free_port()) as city:
        yield city


def handled(collector: Collector) -> int:
    return sum(collector.counts.values())


def test_reports_come_through_and_everything_else_is_survived(city: City, tmp_path: Path) -> None:
    node, collector = enrolled(city), Collector(city)
    messages = [node.seal(example_report(), sequence) for sequence in range(5)]
    noise = [b"", b"\xd0" + b"\x81" * 900, os.urandom(3000), messages[0]]
    with mosquitto(city, tmp_path / "mosquitto"), MqttCollector(city, collector):
        publish(city, *messages[:3], *noise, *messages[3:])
        wait_until(lambda: handled(collector) == 9, "nine messages")
    assert collector.counts == {Status.STORED: 5, Status.REJECTED: 3, Status.REPEATED: 1}
    assert count_reports(city.database) == 5
    assert len(refused(city.database)) == 3


def test_letters_stand_retained_until_they_are_due_no_more(city: City, tmp_path: Path) -> None:
    node, collector = enrolled(city), Collector(city)
    ready = node.rekey()
    renewed = node.pending
    assert renewed is not None
    with mosquitto(city, tmp_path / "mosquitto"), MqttCollector(city, collector):
        assert retained(city, renewed) is None
        publish(city, ready, ready)
        wait_until(lambda: handled(collector) == 2 and retained(city, renewed) is not None, "the letter")
        assert renewed.open_letter(retained(city, renewed) or b"") == {1: 0}
        publish(city, renewed.seal(example_report(), 0))
        wait_until(lambda: handled(collector) == 3 and retained(city, renewed) is None, "its end")
    assert collector.counts == {Status.READY: 1, Status.REPEATED: 1, Status.STORED: 1}


def test_a_broker_that_lost_its_letters_and_a_command_from_meanwhile(city: City, tmp_path: Path) -> None:
    node, collector = enrolled(city), Collector(city)
    with mosquitto(city, tmp_path / "mosquitto"), MqttCollector(city, collector):
        pass
    with city.database.write() as session:
        queue(
            session, select_node(session, "corner"), labels.OPERATION_LOCATE, {},
            lambda thumb: city.keyring.private(labels.ROLE_COMMAND, thumb),
        )  # fmt: skip
    for folder in ("mosquitto", "another"):
        with mosquitto(city, tmp_path / folder), MqttCollector(city, collector):
            wait_until(lambda: retained(city, node) is not None, "the letter, though nothing was received")
            letter = node.open_letter(retained(city, node) or b"")
            assert letter is not None
            assert node.check_command(letter[2])[2] == labels.OPERATION_LOCATE


def test_what_arrives_while_the_collector_is_away_waits_even_over_a_restart_of_the_broker(
    city: City, tmp_path: Path
) -> None:
    node, collector = enrolled(city), Collector(city)
    with mosquitto(city, tmp_path / "mosquitto"):
        with MqttCollector(city, collector):
            pass
        publish(city, *(node.seal(example_report(), sequence) for sequence in range(30)))
    with mosquitto(city, tmp_path / "mosquitto"), MqttCollector(city, collector):
        wait_until(lambda: handled(collector) == 30, "thirty messages")
    assert collector.counts == {Status.STORED: 30}


def test_a_message_the_database_did_not_take_is_delivered_again(
    city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, collector = enrolled(city), Collector(city)
    failures, add_report = iter([CityError("disk full")]), collector_module.add_report

    def fails_once(*arguments: Any) -> Any:
        for failure in failures:
            raise failure
        return add_report(*arguments)

    monkeypatch.setattr(collector_module, "add_report", fails_once)
    monkeypatch.setattr(mqtt_module, "RETRY_FIRST_S", 0.05)
    with mosquitto(city, tmp_path / "mosquitto"), MqttCollector(city, collector):
        publish(city, node.seal(example_report(), 0), node.seal(example_report(), 1))
        wait_until(lambda: collector.counts[Status.STORED] == 2, "both reports")
    assert collector.counts == {Status.STORED: 2}
    assert refused(city.database) == []


def test_the_collector_finds_back_to_a_broker_that_was_gone(
    city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_module, "RETRY_FIRST_S", 0.05)
    node, collector = enrolled(city), Collector(city)
    with mosquitto(city, tmp_path / "mosquitto"):
        connection = MqttCollector(city, collector).__enter__()
    try:
        with mosquitto(city, tmp_path / "mosquitto"):
            publish(city, node.seal(example_report(), 0))
            wait_until(lambda: handled(collector) == 1, "the report")
            connection.__exit__(None, None, None)
    finally:
        connection.__exit__(None, None, None)
    assert collector.counts == {Status.STORED: 1}


# paho leaves the socket of a failed handshake to the garbage collector
@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_nobody_gets_in_without_the_citys_login_or_with_another_citys_authority(city: City, tmp_path: Path) -> None:
    with mosquitto(city, tmp_path / "mosquitto"):
        stranger = City.init(tmp_path / "other", "Elsewhere", broker_port=city.settings.broker.port)
        with stranger, pytest.raises(BrokerError, match="is not this city's"):
            MqttCollector(stranger, Collector(stranger)).connect()
        for user, password in ((city.secrets.broker_user, "wrong"), ("nobody", city.secrets.broker_password)):
            client = publisher(city, password, user)
            answers: list[bool] = []
            client.on_connect = lambda *arguments, answers=answers: answers.append(arguments[3].is_failure)
            client.connect("localhost", city.settings.broker.port)
            client.loop_start()
            wait_until(lambda answers=answers: bool(answers), "the broker's answer")
            client.disconnect()
            client.loop_stop()
            assert answers[0]


def test_a_thief_with_a_nodes_login_reads_no_report_and_writes_no_letter(city: City, tmp_path: Path) -> None:
    with mosquitto(city, tmp_path / "mosquitto"):
        check_rights(city)


def test_the_collectors_session_has_a_name_that_the_nodes_login_does_not_tell(city: City, tmp_path: Path) -> None:
    """Who connects under it, with any login, would have the collector's session, and what waits in it."""
    name = _client_id(city)
    assert name == _client_id(city)
    with City.open(city.directory) as again:
        assert _client_id(again) == name, "the broker keeps messages for it over a restart"
    with City.init(tmp_path / "other", "Elsewhere") as other:
        assert _client_id(other) != name
    assert city.secrets.city_password not in name


def test_a_wrong_login_is_one_clear_line(city: City, tmp_path: Path) -> None:
    with mosquitto(city, tmp_path / "mosquitto"):
        secrets = city.directory / "secrets.toml"
        secrets.write_text(secrets.read_text().replace(city.secrets.city_password, "wrong"))
        with City.open(city.directory) as changed, pytest.raises(BrokerError, match="refuses us"):
            MqttCollector(changed, Collector(changed)).connect()


def test_no_broker_is_one_clear_line(city: City) -> None:
    with pytest.raises(BrokerError, match=r"the broker at localhost:\d+ cannot be reached"):
        MqttCollector(city, Collector(city)).connect()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_hadeda_collect_stops_cleanly_and_says_what_it_did(city: City, tmp_path: Path, number: signal.Signals) -> None:
    node = enrolled(city)
    command = [sys.executable, "-m", "hadeda.cli.main", "collect", "--city", str(city.directory), "--json"]
    with mosquitto(city, tmp_path / "mosquitto"):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            assert "Ctrl-C stops" in process.stderr.readline()
            sealed = node.seal(example_report(), 0)
            publish(city, sealed, sealed)
            wait_until(lambda: retained(city, node) is not None, "the repeated report's receipt")
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 0, stderr
    stored, repeated, totals = map(json.loads, stdout.splitlines())
    assert (stored["status"], stored["node"], stored["size"]) == ("stored", "corner", len(sealed))
    assert (repeated["status"], repeated["reason"]) == ("repeated", "")
    assert totals == {"stored": 1, "ready": 0, "repeated": 1, "replayed": 0, "rejected": 0}
    assert stderr == ""
