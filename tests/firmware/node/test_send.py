"""A report leaves the store only after its PUBACK; failures are tried again, with pauses that grow."""

import asyncio

from firmware.fakes import Clock, Flash, Random, Stream

from node.send import Sender
from node.store import Store

BROKER = {"host": "broker", "port": 1883, "user": "u", "password": "p", "topic": "hadeda/up"}


class Broker:
    """Acknowledges the first `acknowledge` messages, then closes."""

    def __init__(self, acknowledge=1000):
        self.acknowledge = acknowledge
        self.published = []

    def connection(self):
        stream = Stream(split=3)

        def answer(packet):
            if packet[0] == 0x10:
                stream.arrive(b"\x20\x02\x00\x00")
            elif packet[0] == 0x32:
                at = packet.find(b"hadeda/up") + 9
                if self.acknowledge:
                    self.acknowledge -= 1
                    self.published.append(packet[at + 2 :])
                    stream.arrive(b"\x40\x02" + packet[at : at + 2])

        stream.on_write = answer
        return stream


class Radio:
    def __init__(self, broker):
        self.broker = broker
        self.log = []
        self.no_network = False
        self.streams = []

    async def up(self):
        self.log.append("up")
        if self.no_network:
            raise OSError(116)

    def down(self):
        self.log.append("down")

    async def connect(self, _host, _port, _ca):
        self.streams.append(self.broker.connection())
        return self.streams[-1]


class NoSync:
    def due(self):
        return False


def _stage(broker, reports=3):
    clock = Clock()
    radio = Radio(broker)
    store = Store(Flash())
    for number in range(reports):
        store.append(bytes((number,)) * 100)
    return Sender(clock, radio, BROKER, store, NoSync(), Random(), 900), clock, radio, store


def test_a_session_delivers_everything_oldest_first_and_switches_the_radio_off():
    broker = Broker()
    sender, _, radio, store = _stage(broker)
    assert asyncio.run(sender.session())
    assert [message[0] for message in broker.published] == [0, 1, 2]
    assert store.waiting == 0
    assert radio.log == ["up", "down"]
    assert radio.streams[0].closed
    assert radio.streams[0].outgoing[-2:] == b"\xe0\x00"


def test_without_puback_a_report_stays():
    broker = Broker(acknowledge=1)
    sender, _, radio, store = _stage(broker)
    assert not asyncio.run(sender.session())
    assert store.waiting == 2
    assert radio.log[-1] == "down"
    assert radio.streams[0].closed
    broker.acknowledge = 10
    assert asyncio.run(sender.session())
    assert [message[0] for message in broker.published] == [0, 1, 2]


def test_without_a_network_nothing_is_lost():
    sender, _, radio, store = _stage(Broker())
    radio.no_network = True
    assert not asyncio.run(sender.session())
    assert store.waiting == 3
    assert radio.log == ["up", "down"]


def test_the_random_generator_is_reseeded_while_the_radio_is_on():
    sender, _, _, _ = _stage(Broker())
    before = sender._randomness.reseeded
    asyncio.run(sender.session())
    assert sender._randomness.reseeded == before + 1


def test_pauses_double_with_jitter_up_to_a_quarter_of_an_hour():
    sender, _, _, _ = _stage(Broker())
    for failures in range(1, 40):
        whole = min(5000 << min(failures - 1, 10), 900000)
        pauses = [sender.pause_ms(failures) for _ in range(20)]
        assert all(whole // 2 <= pause <= whole for pause in pauses)
        assert len(set(pauses)) > 10


def test_it_sends_at_its_slot_after_a_window_and_retries_until_it_is_through():
    async def scene():
        broker = Broker()
        sender, clock, radio, store = _stage(broker, 1)
        sender.start()
        await clock.advance(120000, 1000)
        quiet = list(radio.log)
        radio.no_network = True
        sender.due()
        await clock.advance(200000, 1000)
        tries = radio.log.count("up")
        waiting = store.waiting
        radio.no_network = False
        await clock.advance(900000, 1000)
        sender.stop()
        return quiet, tries, waiting, store.waiting, len(broker.published)

    quiet, tries, waiting, left, published = asyncio.run(scene())
    assert quiet == []
    assert 3 <= tries <= 8
    assert (waiting, left, published) == (1, 0, 1)


def test_an_unexpected_error_does_not_end_the_sender():
    async def scene():
        broker = Broker()
        sender, clock, radio, store = _stage(broker, 1)
        working = radio.connect

        async def out_of_memory(*_):
            raise MemoryError()

        radio.connect = out_of_memory
        sender.start()
        sender.due()
        await clock.advance(70000, 1000)
        radio.connect = working
        await clock.advance(900000, 1000)
        sender.stop()
        return store.waiting

    assert asyncio.run(scene()) == 0
