"""The collector's connection to the broker: MQTT over TLS, a session that survives us, acknowledged after the commit.

The broker keeps what arrives while the collector is away (fixed client id, no clean session). What has arrived is taken
together. A message is acknowledged only once its transaction is committed; where the database fails, the connection is
dropped, and the broker delivers the message again after the next one.

Letters are published retained after each message of a node, and all of them anew with each connection: whatever the
broker kept, lost or was told in between, it then has what is due.

Several collectors can share the subscription (`share`): each message goes to one of them, and each has a session of its
own. What waits in the session of one that is away waits for it, and its node sends again what gets no receipt. Two of
them may publish a node's letters in another order than they sealed them: the older one then stands, says less, and is
replaced after the node's next message.
"""

import hmac
import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Final, Self

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from hadeda.city import City
from hadeda.collect.collector import BATCH_MAX, Collector, Outcome
from hadeda.collect.letters import Posting
from hadeda.errors import BrokerError, CityError

log = logging.getLogger("hadeda.collect")

QOS: Final = 1
CONNECT_TIMEOUT_S: Final = 10.0
KEEPALIVE_S: Final = 60
POLL_S: Final = 0.2
RETRY_FIRST_S: Final = 1.0
RETRY_MAX_S: Final = 30.0
GROUP: Final = "hadeda"  # of those who share


class MqttCollector:
    """Feeds a collector from the city's broker; `share` is its name among several that share the subscription.

    `connect` once, then `run` until the event is set; or use it as a context manager, which does both, in a thread:
    inside the block the subscription stands.
    """

    def __init__(
        self,
        city: City,
        collector: Collector,
        on_outcome: Callable[[Outcome], None] | None = None,
        *,
        share: str = "",
    ) -> None:
        self.collector = collector
        self._broker = city.settings.broker
        self._topic = f"$share/{GROUP}/{self._broker.topic}" if share else self._broker.topic
        self._on_outcome = on_outcome
        self._subscribed = False
        self._refused = ""
        self._storage_failed = False
        self._arrived: list[MQTTMessage] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._client = self._make_client(city, share)

    def connect(self, stop: threading.Event | None = None) -> None:
        """Connect and subscribe, or return early once `stop` is set; raises BrokerError with what to do about it."""
        where = f"the broker at {self._broker.host}:{self._broker.port}"
        self._subscribed, self._refused, self._storage_failed = False, "", False
        self._arrived.clear()
        try:
            self._client.connect(self._broker.host, self._broker.port, KEEPALIVE_S)
        except ssl.SSLError as error:
            raise BrokerError(
                f"{where} is not this city's ({error.reason or error})", "give it the certificate in the city's tls/"
            ) from error
        except OSError as error:
            reason = error.strerror or error
            raise BrokerError(f"{where} cannot be reached ({reason})", "start it, or correct city.toml") from error
        deadline = time.monotonic() + CONNECT_TIMEOUT_S
        while not self._subscribed and not (stop is not None and stop.is_set()):
            result = self._loop()
            if self._refused:
                raise BrokerError(
                    f"{where} refuses us ({self._refused})", "give it the login in the city's secrets.toml"
                )
            if result != MQTTErrorCode.MQTT_ERR_SUCCESS or time.monotonic() > deadline:
                raise BrokerError(f"{where} does not answer as an MQTT broker", "check host and port in city.toml")

    def run(self, stop: threading.Event) -> None:
        """Take messages until `stop` is set; a lost connection is made again. `connect` comes first."""
        try:
            while not stop.is_set():
                result = self._loop()
                if result != MQTTErrorCode.MQTT_ERR_SUCCESS or self._storage_failed:
                    self._reconnect(stop)
        finally:
            self._client.disconnect()

    def __enter__(self) -> Self:
        self.connect()
        self._stop.clear()
        self._thread = threading.Thread(target=self.run, args=(self._stop,), name="collector", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _make_client(self, city: City, share: str) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=_client_id(city, share),
            clean_session=False,
            protocol=MQTTv311,
            manual_ack=True,
        )
        client.username_pw_set(city.secrets.city_user, city.secrets.city_password)
        client.tls_set_context(city.tls_context())
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.on_connect = self._connected
        client.on_subscribe = self._subscription_answered
        client.on_message = self._message
        client.on_disconnect = self._disconnected
        return client

    def _reconnect(self, stop: threading.Event) -> None:
        """Drop the connection and make it again, waiting longer each time, until it stands or `stop` is set."""
        self._client.disconnect()
        wait_s = RETRY_FIRST_S
        while not stop.wait(wait_s):
            try:
                self.connect(stop)
            except BrokerError as error:
                log.warning("%s; trying again", error.message)
                wait_s = min(2 * wait_s, RETRY_MAX_S)
            else:
                return

    def _connected(
        self, client: Client, _userdata: Any, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._refused = str(reason)
        else:
            client.subscribe(self._topic, QOS)

    def _subscription_answered(
        self, _client: Client, _userdata: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._refused = "it does not let us subscribe"
            return
        try:
            self._publish(self.collector.letters())
        except CityError as error:
            log.error("%s", error)
            self._storage_failed = True
        self._subscribed = True

    def _message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self._arrived.append(message)

    def _loop(self) -> MQTTErrorCode:
        """Read and write what is due, then take what has arrived, all of it together."""
        result = self._read()
        arrived, self._arrived = self._arrived, []
        if not arrived or self._storage_failed:
            return result  # not acknowledged: it comes again, in order
        try:
            outcomes = self.collector.receive_many([bytes(message.payload) for message in arrived])
        except CityError as error:
            log.error("%s", error)
            self._storage_failed = True
            return result
        for message, outcome in zip(arrived, outcomes, strict=True):
            self._client.ack(message.mid, message.qos)
            self._publish(outcome.letters)
            if self._on_outcome is not None:
                self._on_outcome(outcome)
        return result

    def _read(self) -> MQTTErrorCode:
        """Wait for a packet, then read those that have come with it: one at a time is all that paho reads."""
        result, before = self._client.loop(POLL_S), 0
        while result == MQTTErrorCode.MQTT_ERR_SUCCESS and before < len(self._arrived) < BATCH_MAX:
            before = len(self._arrived)
            result = self._client.loop(0)
        return result

    def _publish(self, letters: Iterable[Posting]) -> None:
        for topic, payload in letters:
            self._client.publish(topic, payload, QOS, retain=True)

    def _disconnected(
        self,
        _client: Client,
        _userdata: Any,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            log.warning("connection to the broker lost (%s)", reason)


def _client_id(city: City, share: str = "") -> str:
    """Always the same, and known to nobody else: who connects with it, under any login, takes over the session."""
    name = hmac.digest(city.secrets.city_password.encode(), f"collector{share and ' '}{share}".encode(), "sha256")
    return f"hadeda-{name.hex()[:16]}"
