"""For tests with a broker: a real Mosquitto with a city's configuration, and a client that publishes as a node does."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from sealing import SealingNode, enrolled, example_report

from hadeda.city import City
from hadeda.city.mosquitto import write_configuration
from hadeda.collect import Collector, MqttCollector, Status

PATIENCE_S = 15.0
RETAINED_S = 0.3


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for what another process or thread does; fails the test when it takes too long."""
    deadline = monotonic() + PATIENCE_S
    while not condition():
        if monotonic() > deadline:
            pytest.fail(f"waited {PATIENCE_S:g} s for: {what}")
        sleep(0.02)


def mosquitto_program() -> str:
    """Where Mosquitto is; the test fails with the install command where it is not."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.fail("these tests need Mosquitto: apt-get install mosquitto")
    return program


@contextmanager
def mosquitto(city: City, folder: Path) -> Iterator[None]:
    """A Mosquitto for the city on its port; `folder` is made the first time, and keeps what waits for a second one."""
    configuration = folder / "mosquitto.conf"
    if not configuration.exists():
        write_configuration(city, folder, bind="127.0.0.1")
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([mosquitto_program(), "-c", str(configuration)], stdout=log, stderr=log)
    try:
        wait_until(lambda: _listens(city) or process.poll() is not None, "Mosquitto to listen")
        assert process.poll() is None, (folder / "log").read_text()
        yield
    finally:
        process.terminate()
        process.wait()


def _listens(city: City) -> bool:
    client = publisher(city)
    try:
        client.connect("localhost", city.settings.broker.port)
    except OSError:
        return False
    client.disconnect()
    return True


def publisher(city: City, password: str | None = None, user: str | None = None) -> Client:
    """An MQTT client of the city that is not connected yet."""
    client = Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(user or city.secrets.broker_user, password or city.secrets.broker_password)
    client.tls_set_context(city.tls_context())
    return client


def publish(city: City, *payloads: bytes) -> None:
    """Publish as a node does, QoS 1, and wait for every PUBACK."""
    client = publisher(city)
    client.connect("localhost", city.settings.broker.port)
    client.loop_start()
    try:
        for payload in payloads:
            client.publish(city.settings.broker.topic, payload, qos=1).wait_for_publish(PATIENCE_S)
    finally:
        client.disconnect()
        client.loop_stop()


def retained(city: City, node: SealingNode) -> bytes | None:
    """What stands at the topic that `node` listens to; None where nothing does."""
    found: list[bytes] = []
    client = publisher(city)
    client.on_message = lambda _client, _userdata, message: found.append(bytes(message.payload))
    subscribed: list[bool] = []
    client.on_subscribe = lambda *_arguments: subscribed.append(True)
    client.connect("localhost", city.settings.broker.port)
    client.loop_start()
    try:
        client.subscribe(f"{city.settings.broker.down}/{node.keys['kid'].hex()}", qos=0)
        wait_until(lambda: bool(subscribed), "the subscription")
        deadline = monotonic() + RETAINED_S
        while not found and monotonic() < deadline:
            sleep(0.01)
    finally:
        client.disconnect()
        client.loop_stop()
    return found[0] if found else None


def check_rights(city: City) -> None:
    """With the nodes' login a report can be published and a letter read, and nothing else; the collector goes on."""
    node, collector = enrolled(city), Collector(city)
    up, down = city.settings.broker.topic, city.settings.broker.down
    seen: list[tuple[str, bytes]] = []
    thief = publisher(city)
    thief.on_message = lambda _client, _userdata, message: seen.append((message.topic, bytes(message.payload)))
    answered: list[int] = []
    thief.on_subscribe = lambda _client, _userdata, mid, *_rest: answered.append(mid)
    with MqttCollector(city, collector):
        thief.connect("localhost", city.settings.broker.port)
        thief.loop_start()
        try:
            for topic in (up, "#", f"{down}/+"):
                thief.subscribe(topic, qos=1)
            wait_until(lambda: len(answered) == 3, "three answers")
            _publish_retained(city, f"{down}/{node.keys['kid'].hex()}", b"a false letter")
            publish(city, node.rekey())
            assert node.pending is not None
            letter_topic = f"{down}/{node.pending.keys['kid'].hex()}"
            wait_until(lambda: letter_topic in [topic for topic, _ in seen], "the genuine letter")
            _publish_retained(city, letter_topic, b"")
            sleep(RETAINED_S)
            assert [topic for topic, _ in seen] == [letter_topic]
            assert retained(city, node) != b"a false letter"
            assert retained(city, node.pending) == seen[0][1], "the genuine one was taken away"
            publish(city, node.seal(example_report(), 0))
            wait_until(lambda: collector.counts[Status.STORED] == 1, "the report")
        finally:
            thief.disconnect()
            thief.loop_stop()


def _publish_retained(city: City, topic: str, payload: bytes) -> None:
    """With the nodes' login; the broker may hang up on it."""
    client = publisher(city)
    client.connect("localhost", city.settings.broker.port)
    client.loop_start()
    client.publish(topic, payload, qos=0, retain=True).wait_for_publish(PATIENCE_S)
    sleep(RETAINED_S)
    client.disconnect()
    client.loop_stop()
