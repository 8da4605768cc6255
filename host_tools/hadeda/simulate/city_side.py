"""The city in a simulation: a real city folder with its database and the real collector, its keys drawn from the seed.

The collector's connection is bytes to the broker, as `hadeda collect` has it: a session that survives, acknowledged
after the commit, letters published retained. It can be stopped and started.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hadeda.city import City
from hadeda.collect.collector import Collector, Outcome
from hadeda.collect.letters import Posting
from hadeda.errors import CityError
from hadeda.simulate import mqtt_packets as mqtt
from hadeda.simulate.agenda import CITY, Agenda
from hadeda.simulate.broker import PORT, Broker, Rights
from hadeda.simulate.mqtt_packets import Message
from hadeda.simulate.tcp import Peer

CLIENT_ID: Final = "collector"
LINE_US: Final = 1_000  # one way, between broker and collector
RETRY_US: Final = 1_000_000
KEEP_ALIVE_S: Final = 60


def make_city(folder: Path, seed: int, now: datetime) -> City:
    """A new city whose keys and passwords come from the seed: call it inside `randomness.seeded`."""
    return City.init(
        folder,
        f"Simulation {seed}",
        broker_host="broker.example",
        broker_port=PORT,
        wifi_ssid="street",
        wifi_password="lamp post 12",
        ntp="time.example",
        now=now,
    )


def rights(city: City) -> Rights:
    """Nodes write reports and read letters, the city the other way round; as in city/mosquitto.py."""
    broker = city.settings.broker

    def may(user: str, publish: bool, topic: str) -> bool:
        is_city = user == city.secrets.city_user
        prefix, _, below = topic.rpartition("/")
        if topic == broker.topic:
            return is_city != publish
        return prefix == broker.down and not set(below) & {"#", "+"} and is_city == publish

    return may


def logins(city: City) -> dict[str, str]:
    """Password by user."""
    secrets = city.secrets
    return {secrets.broker_user: secrets.broker_password, secrets.city_user: secrets.city_password}


class _Line:
    """The cable between broker and collector: it takes its time and loses nothing, until it is unplugged."""

    def __init__(self, agenda: Agenda, post: "CollectorPost") -> None:
        self._agenda = agenda
        self._post = post
        self.peer: Peer | None = None
        self.plugged = True

    def _later(self, call: Callable[[], None]) -> None:
        self._agenda.at(self._post.arrival_us(), CITY, lambda: call() if self.plugged else None)

    def up(self, data: bytes) -> None:
        """To the broker."""
        peer = self.peer
        if peer is not None:
            self._later(lambda: peer.feed(data))

    def send(self, data: bytes) -> None:
        self._later(lambda: self._post.feed(data))

    def close(self) -> None:
        self._later(self._post.lost)

    def reset(self) -> None:
        self._later(self._post.lost)


class CollectorPost:
    """The collector and its connection. `on_outcome` is told what became of a message.

    What it does for a board must not depend on what others send, or on which boards share it (run.py).
    """

    def __init__(self, city: City, agenda: Agenda, broker: Broker, start_s: float) -> None:
        self.on_outcome: Callable[[Outcome], None] = lambda _: None
        self._city = city
        self._agenda = agenda
        self._broker = broker
        self._start_s = start_s
        self._line: _Line | None = None
        self._running = False
        self._buffer = bytearray()
        self._packet_id = 0
        self._line_us = LINE_US
        self._not_before_us = 0
        self.collector = Collector(city, self.now)

    def now(self) -> datetime:
        """The world's time at the collector."""
        return datetime.fromtimestamp(self._start_s + self._agenda.now_us / 1e6, UTC)

    def slow_down(self, line_us: int) -> None:
        """From now on bytes take so long between broker and collector; what is on its way is not overtaken."""
        self._not_before_us = self.arrival_us()
        self._line_us = line_us

    def arrival_us(self) -> int:
        """When what is sent now is there."""
        return max(self._agenda.now_us + self._line_us, self._not_before_us)

    def start(self) -> None:
        """Connect, and again whenever the connection is lost."""
        self._running = True
        self._connect()

    def stop(self) -> None:
        """The collector is down: its connection is lost, its session waits at the broker."""
        self._running = False
        if self._line is not None:
            self._line.plugged = False
            if self._line.peer is not None and self._broker.knows(self._line.peer):
                self._line.peer.lost()
            self._line = None

    def _connect(self) -> None:
        if not self._running or self._line is not None:
            return
        line = _Line(self._agenda, self)
        line.peer = None if self._broker.silent else self._broker.accept(line)
        if line.peer is None:
            self._agenda.at(self._agenda.now_us + RETRY_US, CITY, self._connect)
            return
        self._line = line
        self._buffer.clear()
        secrets = self._city.secrets
        line.up(mqtt.pack_connect(CLIENT_ID, secrets.city_user, secrets.city_password, KEEP_ALIVE_S))
        line.up(mqtt.pack_subscribe(self._next_id(), self._city.settings.broker.topic, 1))
        self._keep_alive(line)

    def broker_gone(self) -> None:
        """The broker beside it was stopped: it notices at once, not when it has something to say."""
        if self._line is not None:
            self.lost()

    def lost(self) -> None:
        """The broker has ended the connection."""
        if self._line is not None:
            self._line.plugged = False
            self._line = None
        self._agenda.at(self._agenda.now_us + RETRY_US, CITY, self._connect)

    def _keep_alive(self, line: _Line) -> None:
        if line is not self._line:
            return
        if line.peer is None or not self._broker.knows(line.peer):
            self.lost()
            return
        line.up(mqtt.packed(mqtt.PINGREQ, 0))
        self._agenda.at(self._agenda.now_us + KEEP_ALIVE_S * 1_000_000, CITY, lambda: self._keep_alive(line))

    def feed(self, data: bytes) -> None:
        """Bytes from the broker."""
        self._buffer += data
        while self._line is not None and (packet := mqtt.split(self._buffer)) is not None:
            if packet.kind == mqtt.SUBACK:
                self._publish(self.collector.letters())
            elif packet.kind == mqtt.PUBLISH:
                self._take(mqtt.message(packet))

    def _take(self, message: Message) -> None:
        try:
            outcome = self.collector.receive(message.payload)
        except CityError:  # not acknowledged: it comes again with the next connection
            self._drop_line()
            return
        if self._line is not None:
            self._line.up(mqtt.packed(mqtt.PUBACK, 0, message.packet_id.to_bytes(2, "big")))
        self._publish(outcome.letters)
        self.on_outcome(outcome)

    def _drop_line(self) -> None:
        if self._line is not None and self._line.peer is not None:
            self._line.peer.lost()
        self.lost()

    def _publish(self, letters: Iterable[Posting]) -> None:
        for topic, payload in letters:
            if self._line is not None:
                self._line.up(mqtt.pack_message(Message(topic, payload, 1, retain=True, packet_id=self._next_id())))

    def _next_id(self) -> int:
        self._packet_id = self._packet_id % 65535 + 1
        return self._packet_id
