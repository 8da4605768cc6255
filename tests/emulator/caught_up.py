"""Waits until broker and collector are through with what a board sent, while board time stands still.

A node that has hung up lets an hour pass in an instant; without this a busy computer would make its city answer late.
"""

import threading
import time

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from hadeda.city import City

MARK = b"caught up? "
PATIENCE_S = 5.0


class CaughtUp:
    """Somebody with the nodes' login: sends a mark after the reports, and hears it back after the city's letters.

    The collector has to answer every message that begins with MARK by a letter with the same bytes to `topic`.
    """

    def __init__(self, city: City, plain_port: int | None = None) -> None:
        """`plain_port`: of a broker without TLS, in place of the city's."""
        broker = city.settings.broker
        self.topic = f"{broker.down}/caught-up"
        self._up = broker.topic
        self._sent = 0
        self._heard = 0
        self._news = threading.Condition()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="caught-up")
        self._client.username_pw_set(city.secrets.broker_user, city.secrets.broker_password)
        if plain_port is None:
            self._client.tls_set_context(city.tls_context())
        self._client.on_connect = lambda client, *_: client.subscribe(self.topic, 1)
        self._client.on_message = self._note
        self._client.reconnect_delay_set(1, 1)
        self._client.connect(broker.host, plain_port or broker.port)
        self._client.loop_start()

    def close(self) -> None:
        """Hang up."""
        self._client.disconnect()
        self._client.loop_stop()

    def wait(self) -> None:
        """Until everything that the broker has acknowledged is processed; not while there is no broker."""
        if not self._client.is_connected():
            return
        self._sent += 1
        sent, deadline = self._sent, time.monotonic() + PATIENCE_S
        self._client.publish(self._up, MARK + b"%d" % sent, 1)
        with self._news:
            self._news.wait_for(lambda: self._heard >= sent or not self._client.is_connected(), PATIENCE_S)
        if self._heard < sent and time.monotonic() >= deadline:
            raise AssertionError(f"broker or collector did not catch up within {PATIENCE_S} s")

    def _note(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        with self._news:
            self._heard = max(self._heard, int(message.payload[len(MARK) :]))
            self._news.notify_all()
