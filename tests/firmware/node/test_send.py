"""Reports go out oldest first, at a bounded rate, and again without a receipt; failures are tried again, after pauses;
letters never hinder."""

import asyncio

from firmware.board_fakes import message_packet, topics_of
from firmware.fakes import Clock, Flash, Random, SelfRunningClock, Stream

from node.send import SESSION_MAX, Sender
from node.store import Store

BROKER = {"host": "broker", "port": 1883, "user": "u", "password": "p", "topic": "hadeda/up"}


TOPICS = ["hadeda/down/00112233", "hadeda/down/44556677"]


class Broker:
    """Acknowledges the first `acknowledge` messages, then closes. `down` is what it says after a subscription."""

    def __init__(self, acknowledge=1000, down=b""):
        self.acknowledge = acknowledge
        self.down = down
        self.published = []
        self.log = []

    def connection(self):
        stream = Stream(split=3)

        def answer(packet):
            if packet[0] == 0x10:
                stream.arrive(b"\x20\x02\x00\x00")
            elif packet[0] == 0x82:
                self.log.append("subscribe")
                count = len(topics_of(packet))
                stream.arrive(bytes((0x90, 2 + count)) + packet[2:4] + bytes(count) + self.down)
            elif packet[0] == 0xC0:
                self.log.append("ping")
                stream.arrive(b"\xd0\x00")
            elif packet[0] == 0xE0:
                self.log.append("disconnect")
            elif packet[0] == 0x32:
                at = packet.find(b"hadeda/up") + 9
                if self.acknowledge:
                    self.acknowledge -= 1
                    self.published.append(packet[at + 2 :])
                    self.log.append(packet[at + 2])
                    stream.arrive(b"\x40\x02" + packet[at : at + 2])

        stream.on_write = answer
        return stream


class Radio:
    def __init__(self, broker):
        self.broker = broker
        self.log = []
        self.no_network = False
        self.streams = []

    async def up(self, _ssid, _password):
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


class Route:
    """The one that is configured; notes what went out."""

    def __init__(self, broker):
        self.wifi = {"ssid": "street", "password": ""}
        self.broker = broker
        self.sessions = 0
        self.noted = []

    def next_session(self):
        self.sessions += 1

    def note(self, sealed):
        self.noted.append(sealed)


class Mailbox:
    """Notes what was handled; what is in `raising` raises. `new_ready` is what a letter leads to."""

    def __init__(self, announcement=None):
        self.announcement = announcement
        self.new_ready = announcement
        self.raising = {}
        self.on_handle = None
        self.handled = []
        self.sessions = 0

    def _raise(self, what):
        if what in self.raising:
            raise self.raising[what]

    def topics(self):
        self._raise("topics")
        return TOPICS

    def ready(self):
        self._raise("ready")
        return self.announcement

    def handle(self, topic, message):
        self.handled.append((topic, message))
        self._raise("handle")
        self.announcement = self.new_ready
        if self.on_handle is not None:
            self.on_handle()

    def session_over(self):
        self.sessions += 1
        self._raise("session_over")


def _stage(broker, reports=3, mailbox=None, clock=None):
    clock = (clock or SelfRunningClock)()
    radio = Radio(broker)
    flash = Flash()
    store = Store(flash, flash)
    for number in range(reports):
        store.append(bytes((number,)) * 100)
    sender = Sender(clock, radio, Route(BROKER), store, NoSync(), Random(), mailbox or Mailbox(), 900)
    return sender, clock, radio, store


def test_a_session_delivers_everything_oldest_first_and_switches_the_radio_off():
    broker = Broker()
    sender, _, radio, store = _stage(broker)
    assert asyncio.run(sender.session())
    assert [message[0] for message in broker.published] == [0, 1, 2]
    assert store.waiting == 3, "the city has given no receipt"
    assert radio.log == ["up", "down"]
    assert radio.streams[0].closed
    assert radio.streams[0].outgoing[-2:] == b"\xe0\x00"


def test_what_the_broker_has_acknowledged_is_not_sent_in_the_next_session():
    broker = Broker()
    sender, _, _, store = _stage(broker)
    assert asyncio.run(sender.session())
    store.append(b"\x03" * 100)
    assert asyncio.run(sender.session())
    assert [message[0] for message in broker.published] == [0, 1, 2, 3]


def test_after_eight_sessions_without_a_receipt_all_is_sent_again_as_it_was():
    """The broker acknowledged, and lost its disk."""
    broker = Broker()
    sender, _, _, _store = _stage(broker)
    for session in range(1, 9):
        assert asyncio.run(sender.session())
        assert len(broker.published) == 3, session
    assert asyncio.run(sender.session())
    assert broker.published[3:] == broker.published[:3]


def test_it_is_sent_again_less_and_less_often_until_a_receipt_comes():
    broker = Broker()
    sender, _, _, store = _stage(broker, 1)
    sessions = []
    for session in range(300):
        before = len(broker.published)
        assert asyncio.run(sender.session())
        if len(broker.published) > before:
            sessions.append(session)
    assert sessions == [0, 8, 24, 56, 120, 184, 248]
    store.append(b"\x01" * 100)
    store.forget(1)
    broker.published.clear()
    for _ in range(10):
        assert asyncio.run(sender.session())
    assert [message[0] for message in broker.published] == [1, 1]
    assert asyncio.run(_none_is_sent_after(sender, store, 2, broker))


async def _none_is_sent_after(sender, store, receipt, broker):
    store.forget(receipt)
    count = len(broker.published)
    for _ in range(100):
        assert await sender.session()
    return len(broker.published) == count


def test_sessions_in_which_nobody_listened_or_that_failed_do_not_count():
    broker = Broker()
    mailbox = Mailbox()
    mailbox.raising["topics"] = MemoryError()
    sender, _, radio, _ = _stage(broker, 3, mailbox)
    for _ in range(20):
        assert asyncio.run(sender.session())
    radio.no_network = True
    for _ in range(20):
        assert not asyncio.run(sender.session())
    assert len(broker.published) == 3


def test_after_a_reset_what_has_no_receipt_is_sent_once_more():
    broker = Broker()
    sender, clock, radio, store = _stage(broker)
    assert asyncio.run(sender.session())
    store.forget(1)
    again = Sender(clock, radio, Route(BROKER), store, NoSync(), Random(), Mailbox(), 900)
    assert asyncio.run(again.session())
    assert [message[0] for message in broker.published] == [0, 1, 2, 1, 2]


def test_a_backlog_goes_out_at_a_bounded_rate_and_a_bounded_number_a_session():
    broker = Broker()
    sender, clock, _, store = _stage(broker, 150)
    numbers = []
    for _ in range(3):
        start = clock.now_ms
        assert asyncio.run(sender.session())
        count = len(broker.published) - len(numbers)
        numbers = [message[0] for message in broker.published]
        assert count <= SESSION_MAX + 1, "and what a letter may lead to"
        assert clock.now_ms - start >= (count - 1) * 500
    assert numbers == list(range(150))
    assert store.waiting == 150


def test_without_puback_a_report_is_sent_again():
    broker = Broker(acknowledge=1)
    sender, _, radio, _store = _stage(broker)
    assert not asyncio.run(sender.session())
    assert len(broker.published) == 1
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
        sender, clock, radio, _ = _stage(broker, 1, clock=Clock)
        sender.start()
        await clock.advance(120000, 1000)
        quiet = list(radio.log)
        radio.no_network = True
        sender.due()
        await clock.advance(200000, 1000)
        tries = radio.log.count("up")
        before = len(broker.published)
        radio.no_network = False
        await clock.advance(900000, 1000)
        sender.stop()
        return quiet, tries, before, len(broker.published)

    quiet, tries, before, published = asyncio.run(scene())
    assert quiet == []
    assert 3 <= tries <= 8
    assert (before, published) == (0, 1)


def test_an_unexpected_error_does_not_end_the_sender():
    async def scene():
        broker = Broker()
        sender, clock, radio, _ = _stage(broker, 1, clock=Clock)
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
        return len(broker.published)

    assert asyncio.run(scene()) == 1


def test_a_session_goes_in_order():
    broker = Broker(down=message_packet(TOPICS[0], b"letter"))
    mailbox = Mailbox(announcement=b"R" * 100)
    sender, _, _, _ = _stage(broker, 3, mailbox)
    assert asyncio.run(sender.session())
    assert broker.log == ["subscribe", 82, 0, 1, 2, "ping", "disconnect"]
    assert mailbox.handled == [(TOPICS[0], b"letter")]
    assert mailbox.sessions == 1


def test_letters_are_read_in_the_order_of_the_subscription():
    """Whatever order they arrive in, and whatever order a dictionary has: MicroPython's is that of hashes."""
    for number in range(16):
        topics = [f"hadeda/down/0011223{number:x}", f"hadeda/down/4455667{15 - number:x}"]
        for first, second in ((0, 1), (1, 0)):
            letters = message_packet(topics[first], b"letter") + message_packet(topics[second], b"letter")
            mailbox = Mailbox()
            mailbox.topics = lambda topics=topics: topics
            sender, _, _, _ = _stage(Broker(down=letters), 0, mailbox)
            assert asyncio.run(sender.session())
            assert [topic for topic, _ in mailbox.handled] == topics


def test_a_session_takes_place_when_nothing_waits():
    broker = Broker(down=message_packet(TOPICS[1], b"letter"))
    mailbox = Mailbox()
    sender, _, _, _ = _stage(broker, 0, mailbox)
    assert asyncio.run(sender.session())
    assert broker.log == ["subscribe", "ping", "disconnect"]
    assert mailbox.handled == [(TOPICS[1], b"letter")]


def test_what_a_letter_leads_to_is_sent_in_the_same_session():
    broker = Broker(down=message_packet(TOPICS[0], b"letter"))
    mailbox = Mailbox()
    mailbox.new_ready = b"R" * 100
    sender, _, _, store = _stage(broker, 1, mailbox)
    mailbox.on_handle = lambda: store.append(b"E" * 100)
    assert asyncio.run(sender.session())
    assert broker.log == ["subscribe", 0, "ping", 69, 82, "disconnect"]


def test_a_ready_message_is_announced_once_a_session():
    broker = Broker(down=message_packet(TOPICS[0], b"letter"))
    sender, _, _, _ = _stage(broker, 0, Mailbox(announcement=b"R"))
    assert asyncio.run(sender.session())
    assert broker.log == ["subscribe", 82, "ping", "disconnect"]
    assert asyncio.run(sender.session())
    assert broker.log.count(82) == 2


def test_a_mailbox_that_fails_in_any_way_costs_no_report():
    letters = message_packet(TOPICS[0], b"one") + message_packet(TOPICS[1], b"two")
    for what in ("topics", "ready", "handle", "session_over"):
        for error in (MemoryError(), ValueError("bug"), OSError(5), KeyError(1)):
            broker = Broker(down=letters)
            mailbox = Mailbox()
            mailbox.raising[what] = error
            sender, _, radio, _ = _stage(broker, 3, mailbox)
            assert asyncio.run(sender.session())
            assert len(broker.published) == 3
            assert radio.log == ["up", "down"]
            assert len(mailbox.handled) == (0 if what == "topics" else 2)


def test_a_broker_that_chokes_on_the_downlink_gets_the_reports_in_the_next_try():
    for down in (
        b"\x33\x05\x00\x01tab",  # another quality of service
        message_packet(TOPICS[0], bytes(100000)),
        message_packet("t", b"x") * 100,
        b"\x31\xff\xff\xff\xff",
        b"\x90\x04\x00\x01\x80\x80",  # instead of a grant
    ):
        broker = Broker(down=down)
        sender, _, _, _ = _stage(broker)
        assert not asyncio.run(sender.session())
        broker.log.clear()
        assert asyncio.run(sender.session())
        assert broker.log == [0, 1, 2, "disconnect"]
        # And the one after that listens again
        broker.down = b""
        broker.log.clear()
        assert asyncio.run(sender.session())
        assert broker.log == ["subscribe", "ping", "disconnect"]


def test_a_failure_after_the_reports_is_not_tried_again():
    broker = Broker()
    sender, _, _, _ = _stage(broker)
    working = broker.connection

    def without_ping():
        stream = working()
        answer = stream.on_write
        stream.on_write = lambda packet: None if packet[0] == 0xC0 else answer(packet)
        return stream

    broker.connection = without_ping
    assert asyncio.run(sender.session())
    assert len(broker.published) == 3


def test_without_a_puback_for_the_ready_the_next_try_announces_it_again():
    broker = Broker(acknowledge=0)
    mailbox = Mailbox(announcement=b"R")
    sender, _, _, _ = _stage(broker, 1, mailbox)
    assert not asyncio.run(sender.session())
    broker.acknowledge = 10
    assert asyncio.run(sender.session())
    assert broker.log == ["subscribe", 82, 0, "disconnect"]
