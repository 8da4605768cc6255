"""The broker model: what it keeps, whom it lets in, what a restart costs, and that garbage hurts nobody else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hadeda.simulate import mqtt_packets as mqtt
from hadeda.simulate.agenda import Agenda
from hadeda.simulate.broker import Broker, Client
from hadeda.simulate.mqtt_packets import Message, Packet

LOGINS = {"node": "n", "city": "c"}


class Caller:
    """A client's end of a connection; `packets` are what the broker sent."""

    def __init__(self, broker: Broker) -> None:
        self.packets: list[Packet] = []
        self.closed = self.was_reset = False
        peer = broker.accept(self)
        assert isinstance(peer, Client)
        self.peer = peer

    def send(self, data: bytes) -> None:
        buffer = bytearray(data)
        while (packet := mqtt.split(buffer)) is not None:
            self.packets.append(packet)

    def close(self) -> None:
        self.closed = True

    def reset(self) -> None:
        self.was_reset = True

    def messages(self) -> list[Message]:
        return [mqtt.message(packet) for packet in self.packets if packet.kind == mqtt.PUBLISH]

    def kinds(self) -> list[int]:
        return [packet.kind for packet in self.packets]

    def join(self, client_id: str = "city", login: tuple[str, str] = ("city", "c")) -> Caller:
        self.peer.feed(mqtt.pack_connect(client_id, *login, 60))
        return self

    def listen(self, name: str, qos: int = 1) -> Caller:
        self.peer.feed(mqtt.pack_subscribe(1, name, qos))
        return self

    def publish(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> None:
        self.peer.feed(mqtt.pack_message(Message(topic, payload, qos, retain, packet_id=7 if qos else 0)))


def open_broker() -> Broker:
    return Broker(Agenda(), LOGINS, lambda _user, _publish, _topic: True)


def test_a_message_reaches_who_listens_and_is_acknowledged() -> None:
    broker = open_broker()
    city, node = Caller(broker).join().listen("up"), Caller(broker).join("node")
    node.publish("up", b"report")
    assert [(m.topic, m.payload, m.qos) for m in city.messages()] == [("up", b"report", 1)]
    assert node.packets[-1] == Packet(mqtt.PUBACK, 0, b"\0\7")


def test_a_wrong_login_is_refused_and_hung_up_on() -> None:
    broker = open_broker()
    caller = Caller(broker).join(login=("city", "x"))
    assert caller.packets == [Packet(mqtt.CONNACK, 0, bytes([0, mqtt.NOT_AUTHORISED]))]
    assert caller.closed
    assert not broker.knows(caller.peer)


def test_who_has_no_right_is_hung_up_on_or_told() -> None:
    broker = Broker(Agenda(), LOGINS, lambda user, publish, _topic: (user == "city") != publish)
    node = Caller(broker).join("node", ("node", "n")).listen("down/x")
    assert node.packets[-1] == Packet(mqtt.SUBACK, 0, bytes([0, 1, mqtt.REFUSED_FILTER]))
    city = Caller(broker).join()
    city.publish("up", b"forged")
    assert city.closed


def test_retained_messages_stand_until_they_are_cleared() -> None:
    broker = open_broker()
    city = Caller(broker).join()
    city.publish("down/x", b"letter", retain=True)
    assert [(m.payload, m.retain) for m in Caller(broker).join("a").listen("down/x", 0).messages()] == [
        (b"letter", True)
    ]
    city.publish("down/x", b"", retain=True)
    assert Caller(broker).join("b").listen("down/x", 0).messages() == []


def test_a_kept_session_gets_what_came_meanwhile_and_again_what_it_never_acknowledged() -> None:
    broker = open_broker()
    city, node = Caller(broker).join().listen("up"), Caller(broker).join("node")
    node.publish("up", b"first")
    city.peer.lost()
    node.publish("up", b"second")
    again = Caller(broker).join()
    assert again.packets[0] == Packet(mqtt.CONNACK, 0, bytes([1, 0])), "the session is there"
    assert [(m.payload, m.duplicate) for m in again.messages()] == [(b"first", True), (b"second", False)]
    again.peer.feed(mqtt.packed(mqtt.PUBACK, 0, again.messages()[0].packet_id.to_bytes(2, "big")))
    again.peer.lost()
    assert [m.payload for m in Caller(broker).join().messages()] == [b"second"]


def test_the_same_client_id_takes_the_session_over() -> None:
    broker = open_broker()
    first = Caller(broker).join()
    second = Caller(broker).join()
    assert first.was_reset
    assert not broker.knows(first.peer)
    assert broker.knows(second.peer)


def test_a_restart_with_its_disk_keeps_sessions_and_letters() -> None:
    broker = open_broker()
    city, node = Caller(broker).join().listen("up"), Caller(broker).join("node")
    city.publish("down/x", b"letter", retain=True)
    city.peer.lost()
    node.publish("up", b"report")
    broker.restart(keep=True, told=True)
    assert node.was_reset
    assert [m.payload for m in Caller(broker).join().messages()] == [b"report"]
    assert [m.payload for m in Caller(broker).join("n").listen("down/x", 0).messages()] == [b"letter"]


def test_a_restart_without_its_disk_has_acknowledged_and_forgotten() -> None:
    broker = open_broker()
    city, node = Caller(broker).join().listen("up"), Caller(broker).join("node")
    city.peer.lost()
    node.publish("up", b"report")
    assert node.kinds()[-1] == mqtt.PUBACK
    broker.restart(keep=False, told=False)
    assert not node.was_reset, "it is told nothing"
    assert not broker.knows(node.peer)
    again = Caller(broker).join()
    assert again.packets == [Packet(mqtt.CONNACK, 0, bytes([0, 0]))], "a session that never was"


def test_who_says_nothing_is_hung_up_on_after_one_and_a_half_keep_alives() -> None:
    broker = open_broker()
    caller = Caller(broker).join()
    broker.agenda.at(60_000_000, -1, lambda: caller.peer.feed(mqtt.packed(mqtt.PINGREQ, 0)))
    while (next_us := broker.agenda.next_us) is not None and next_us < 149_000_000:
        broker.agenda.happen()
    assert not caller.closed
    broker.agenda.happen()
    assert broker.agenda.now_us == 150_000_000
    assert caller.closed


@given(st.binary(min_size=1, max_size=100), st.booleans())
def test_garbage_costs_nobody_but_its_sender(garbage: bytes, after_connect: bool) -> None:
    broker = open_broker()
    city, node = Caller(broker).join().listen("up"), Caller(broker)
    if after_connect:
        node.join("bad")
    node.peer.feed(garbage)
    node.peer.feed(garbage)
    other = Caller(broker).join("good")
    other.publish("up", b"report")
    assert b"report" in [m.payload for m in city.messages()]
    assert broker.knows(city.peer)
