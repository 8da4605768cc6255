"""An MQTT 3.1.1 broker in virtual time, at the level of bytes: sessions, QoS 0 and 1, retained messages, two logins.

It can be restarted with its disk or without (`restart`), refuse or fall silent, and forget what it has acknowledged.
Whatever a client sends, garbage included, ends at worst that client's connection.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from hadeda.simulate import mqtt_packets as mqtt
from hadeda.simulate.agenda import CITY, Agenda
from hadeda.simulate.mqtt_packets import Message, Packet, Violation
from hadeda.simulate.tcp import Outlet, Peer

PORT: Final = 1883
INFLIGHT_MAX: Final = 65_535  # of one session, sent and not acknowledged, as in a city's mosquitto.conf
QUEUE_MAX: Final = 100_000  # of one session, as mosquitto's max_queued_messages is set for a city
PATIENCE: Final = 1.5  # keep-alive periods without a word (section 3.1.2.10)

Rights = Callable[[str, bool, str], bool]  # user, whether to publish, topic or filter


@dataclass
class Session:
    """What a client has at the broker; kept over connections where it asked for that."""

    client_id: str
    clean: bool
    filters: dict[str, int] = field(default_factory=dict)
    waiting: deque[Message] = field(default_factory=deque)
    inflight: dict[int, Message] = field(default_factory=dict)
    last_id: int = 0
    client: "Client | None" = None


class Broker:
    """`logins` are passwords by user, `may` says what a user may do. `on_message` are told what is published."""

    def __init__(self, agenda: Agenda, logins: dict[str, str], may: Rights) -> None:
        self.silent = False
        self.refusing = False
        self.on_message: list[Callable[[Message], None]] = []
        self.agenda = agenda
        self._logins = logins
        self._may = may
        self._retained: dict[str, bytes] = {}
        self._sessions: dict[str, Session] = {}
        self._clients: list[Client] = []
        self._anonymous = 0

    # --- as a server of TCP ------------------------------------------------------------------------------------

    def accept(self, outlet: Outlet) -> "Peer | None":
        if self.refusing:
            return None
        client = Client(self, outlet)
        self._clients.append(client)
        return client

    def knows(self, peer: Peer) -> bool:
        return any(client is peer for client in self._clients)

    def restart(self, *, keep: bool, told: bool) -> None:
        """Stop and start at once. `keep`: the disk survives, with sessions and retained messages.

        `told`: clients get a reset; else they find out when they next say something.
        """
        clients, self._clients = self._clients, []
        for client in clients:
            if told:
                client.outlet.reset()
        if not keep:
            self._retained.clear()
            self._sessions.clear()
            return
        for session in list(self._sessions.values()):
            self.leave(session)

    # --- as a postman ------------------------------------------------------------------------------------------

    def knows_login(self, user: str | None, password: bytes | None) -> bool:
        """Whether this is one of the logins."""
        wanted = self._logins.get(user or "")
        return wanted is not None and password is not None and wanted.encode() == password

    def may(self, user: str, publish: bool, topic: str) -> bool:
        """Whether the user has a right to the topic."""
        return self._may(user, publish, topic)

    def session(self, client_id: str, clean: bool, client: "Client") -> tuple[Session, bool]:
        """The session for a client that connects, and whether it was there; who has it is thrown out."""
        if not client_id:
            self._anonymous += 1
            client_id = f"\0{self._anonymous}"  # no client can name itself so
        old = self._sessions.get(client_id)
        if old is not None and old.client is not None:
            thrown_out = old.client
            self.forget(thrown_out)
            thrown_out.outlet.reset()
        if clean or old is None or old.clean:
            old = None
            self._sessions[client_id] = Session(client_id, clean)
        session = self._sessions[client_id]
        session.client = client
        return session, old is not None

    def forget(self, client: "Client") -> None:
        """The connection is over."""
        if client in self._clients:
            self._clients.remove(client)
        if client.session is not None:
            self.leave(client.session)

    def leave(self, session: Session) -> None:
        """Nobody is connected in this session any more."""
        session.client = None
        if session.clean:
            self._sessions.pop(session.client_id, None)

    def publish(self, message: Message) -> None:
        """Keep it where it is retained, and bring it to whoever listens."""
        for tell in self.on_message:
            tell(message)
        if message.retain and message.payload:
            self._retained[message.topic] = message.payload
        elif message.retain:
            self._retained.pop(message.topic, None)
        for session in list(self._sessions.values()):
            granted = [qos for name, qos in session.filters.items() if mqtt.matches(name, message.topic)]
            if granted:
                qos = min(max(granted), message.qos)
                self._bring(session, Message(message.topic, message.payload, qos))

    def bring_retained(self, session: Session, name: str, qos: int) -> None:
        """What stands in the topics of a new subscription."""
        for topic, payload in list(self._retained.items()):
            if mqtt.matches(name, topic):
                self._bring(session, Message(topic, payload, qos, retain=True))

    def _bring(self, session: Session, message: Message) -> None:
        if session.client is None and not message.qos:
            return  # who is away misses what has no quality of service
        if len(session.waiting) < QUEUE_MAX:
            session.waiting.append(message)
            self.pump(session)

    def pump(self, session: Session) -> None:
        """Send what the client may have in flight."""
        client = session.client
        while client is not None and session.waiting:
            if session.waiting[0].qos and len(session.inflight) >= INFLIGHT_MAX:
                return
            message = session.waiting.popleft()
            if message.qos:
                session.last_id = session.last_id % 65535 + 1
                message = replace(message, packet_id=session.last_id)
                session.inflight[session.last_id] = message
            client.outlet.send(mqtt.pack_message(message))


class Client:
    """One connection to the broker, from the first byte on."""

    def __init__(self, broker: Broker, outlet: Outlet) -> None:
        self.outlet = outlet
        self.session: Session | None = None
        self._broker = broker
        self._buffer = bytearray()
        self._user = ""
        self._patience_us = 0
        self._heard_us = broker.agenda.now_us
        self._handlers: dict[int, Callable[[Session, Packet], None]] = {
            mqtt.PUBLISH: self._on_publish,
            mqtt.PUBACK: self._on_puback,
            mqtt.SUBSCRIBE: self._on_subscribe,
            mqtt.PINGREQ: lambda _session, _packet: self.outlet.send(mqtt.packed(mqtt.PINGRESP, 0)),
            mqtt.DISCONNECT: lambda _session, _packet: self._hang_up(),
        }

    def feed(self, data: bytes) -> None:
        self._heard_us = self._broker.agenda.now_us
        self._buffer += data
        try:
            while self._broker.knows(self) and (packet := mqtt.split(self._buffer)) is not None:
                self._take(packet)
        except Violation:
            self._hang_up()

    def ended(self) -> None:
        self._broker.forget(self)

    def lost(self) -> None:
        self._broker.forget(self)

    def _hang_up(self) -> None:
        self._broker.forget(self)
        self.outlet.close()

    def _take(self, packet: Packet) -> None:
        if self.session is None:
            if packet.kind != mqtt.CONNECT:
                raise Violation("the first packet is not CONNECT")
            self._on_connect(packet)
            return
        handler = self._handlers.get(packet.kind)
        if handler is None:
            raise Violation("a packet that no client sends, or a second CONNECT")
        handler(self.session, packet)

    def _on_connect(self, packet: Packet) -> None:
        wanted = mqtt.connect(packet.body)
        refusal = mqtt.ACCEPTED
        if wanted.protocol != 4:
            refusal = mqtt.BAD_PROTOCOL
        elif not wanted.client_id and not wanted.clean:
            refusal = mqtt.BAD_CLIENT_ID
        elif not self._broker.knows_login(wanted.user, wanted.password):
            refusal = mqtt.NOT_AUTHORISED
        if refusal:
            self.outlet.send(mqtt.packed(mqtt.CONNACK, 0, bytes([0, refusal])))
            self._hang_up()
            return
        self._user = wanted.user or ""
        self.session, present = self._broker.session(wanted.client_id, wanted.clean, self)
        self.outlet.send(mqtt.packed(mqtt.CONNACK, 0, bytes([present, mqtt.ACCEPTED])))
        for message in self.session.inflight.values():
            self.outlet.send(mqtt.pack_message(replace(message, duplicate=True)))
        self._broker.pump(self.session)
        if wanted.keep_alive_s:
            self._patience_us = int(wanted.keep_alive_s * PATIENCE * 1e6)
            self._watch()

    def _watch(self) -> None:
        """Look again when the client's time is up."""
        self._broker.agenda.at(self._heard_us + self._patience_us, CITY, self._look)

    def _look(self) -> None:
        if not self._broker.knows(self):
            return
        if self._broker.agenda.now_us - self._heard_us >= self._patience_us:
            self._hang_up()
        else:
            self._watch()

    def _on_publish(self, _: Session, packet: Packet) -> None:
        message = mqtt.message(packet)
        if not self._broker.may(self._user, True, message.topic):
            raise Violation("no right to publish there")
        self._broker.publish(message)
        if message.qos:
            self.outlet.send(mqtt.packed(mqtt.PUBACK, 0, message.packet_id.to_bytes(2, "big")))

    def _on_puback(self, session: Session, packet: Packet) -> None:
        session.inflight.pop(mqtt.acknowledged(packet.body), None)
        self._broker.pump(session)

    def _on_subscribe(self, session: Session, packet: Packet) -> None:
        packet_id, filters = mqtt.subscribe(packet)
        answer = packet_id.to_bytes(2, "big")
        granted = []
        for name, wanted in filters:
            qos = min(wanted, 1)
            allowed = self._broker.may(self._user, False, name)
            answer += bytes([qos if allowed else mqtt.REFUSED_FILTER])
            if allowed:
                session.filters[name] = qos
                granted.append((name, qos))
        self.outlet.send(mqtt.packed(mqtt.SUBACK, 0, answer))
        for name, qos in granted:
            self._broker.bring_retained(session, name, qos)
