"""The embedded broker of the demo: TLS, login required, and the collector takes reports through it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from mqtt_helpers import PATIENCE_S, check_rights, publish, publisher, retained, wait_until
from sealing import enrolled, example_report

from hadeda.city import City
from hadeda.collect import Collector, MqttCollector, Status
from hadeda.collect.broker import EmbeddedBroker, free_port
from hadeda.errors import BrokerError
from hadeda.registry import count_reports


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    """A city whose broker has a port of its own."""
    with City.init(tmp_path / "city", "Testville", broker_port=free_port()) as city:
        yield city


def test_reports_come_through_and_a_megabyte_of_noise_is_survived(city: City) -> None:
    node, collector = enrolled(city), Collector(city)
    messages = [node.seal(example_report(), sequence) for sequence in range(10)]
    with EmbeddedBroker(city), MqttCollector(city, collector):
        publish(city, *messages[:5], os.urandom(1_000_000), *messages[5:], messages[0])
        wait_until(lambda: sum(collector.counts.values()) == 12, "twelve messages")
    assert collector.counts == {Status.STORED: 10, Status.REJECTED: 1, Status.REPEATED: 1}
    assert count_reports(city.database) == 10


def test_letters_stand_retained_and_are_cleared_when_nothing_is_due(city: City) -> None:
    node, collector = enrolled(city), Collector(city)
    with EmbeddedBroker(city), MqttCollector(city, collector):
        publish(city, node.rekey())
        renewed = node.pending
        assert renewed is not None
        wait_until(lambda: retained(city, renewed) is not None, "the letter")
        assert renewed.open_letter(retained(city, renewed) or b"") == {1: 0}
        publish(city, renewed.seal(example_report(), 0))
        wait_until(lambda: retained(city, renewed) is None, "its end")
    assert collector.counts == {Status.READY: 1, Status.STORED: 1}


def test_a_thief_with_a_nodes_login_reads_no_report_and_writes_no_letter(city: City) -> None:
    with EmbeddedBroker(city):
        check_rights(city)


@pytest.mark.parametrize("password", ["wrong", ""])
def test_nobody_gets_in_without_the_login(city: City, password: str) -> None:
    with EmbeddedBroker(city):
        client = publisher(city, password or None)
        if not password:
            client.username_pw_set(None)
        refused: list[bool] = []
        client.on_connect = lambda *arguments: refused.append(arguments[3].is_failure)
        client.connect("localhost", city.settings.broker.port)
        client.loop_start()
        wait_until(lambda: bool(refused), "the broker's answer")
        client.disconnect()
        client.loop_stop()
        assert refused[0]


def test_a_port_in_use_is_one_clear_line(city: City) -> None:
    with EmbeddedBroker(city), pytest.raises(BrokerError, match="cannot listen"), EmbeddedBroker(city):
        pass


def test_it_leaves_no_thread_and_no_listener_behind(city: City) -> None:
    with EmbeddedBroker(city):
        assert "broker" in [thread.name for thread in threading.enumerate()]
    assert "broker" not in [thread.name for thread in threading.enumerate()]
    with EmbeddedBroker(city):
        pass


def test_hadeda_collect_brings_a_broker_of_its_own(city: City) -> None:
    node = enrolled(city)
    command = [sys.executable, "-m", "hadeda.cli.main", "collect", "--embedded-broker", "--city", str(city.directory)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert "Ctrl-C stops" in process.stderr.readline()
        publish(city, node.seal(example_report(), 0))
        wait_until(lambda: count_reports(city.database) == 1, "the report")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, stdout) == (0, "corner: window of 2022-06-01 00:00 UTC stored, 241 bytes\n")
    assert stderr == "stopped: 1 stored, 0 ready, 0 repeated, 0 replayed, 0 rejected\n"
