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
from sealing import SealingNode

from hadeda.city import City
from hadeda.city.mosquitto import write_configuration

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
