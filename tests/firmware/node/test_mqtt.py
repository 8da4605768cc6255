"""The MQTT client says what MQTT 3.1.1 asks for, nothing about itself, and believes no broken packet."""

import asyncio

from firmware.board_fakes import message_packet
from firmware.fakes import Random, Stream, raises_async

from envelope.labels import SEALED_MAX
from node import mqtt
from node.errors import ProtocolError

CONNACK = b"\x20\x02\x00\x00"
SUBACK = b"\x90\x03\x00\x01\x00"
PUBACK = b"\x40\x02\x00\x02"
PINGRESP = b"\xd0\x00"
TOPIC = "hadeda/down/00112233"


def test_connect_has_no_client_id_and_a_clean_session():
    packet = mqtt.connect_packet(None, None, 60)
    assert packet == b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"


def test_connect_with_user_and_password():
    packet = mqtt.connect_packet("city", "secret", 60)
    assert packet == b"\x10\x1a\x00\x04MQTT\x04\xc2\x00\x3c\x00\x00\x00\x04city\x00\x06secret"


def test_publish_is_qos_1_and_not_retained():
    assert mqtt.publish_packet("hadeda/up", b"abc", 7) == b"\x32\x10\x00\x09hadeda/up\x00\x07abc"


def test_publish_of_two_and_three_length_bytes():
    assert mqtt.publish_packet("t", bytes(300), 1)[:3] == b"\x32\xb1\x02"
    assert mqtt.publish_packet("t", bytes(20000), 1)[:4] == b"\x32\xa5\x9c\x01"


def test_a_report_is_published_and_acknowledged_however_the_packets_are_split():
    async def scene(split):
        stream = Stream(CONNACK + b"\x40\x02\x00\x01\x40\x02\x00\x02", split)
        client = mqtt.Client(stream)
        await client.connect("u", "p", 60)
        await client.publish("t", b"one")
        await client.publish("t", b"two")
        await client.disconnect()
        return stream.outgoing

    assert asyncio.run(scene(1)) == asyncio.run(scene(2)) == asyncio.run(scene(100))
    assert asyncio.run(scene(1))[-2:] == b"\xe0\x00"


def test_ping():
    async def scene():
        stream = Stream(b"\xd0\x00")
        await mqtt.Client(stream).ping()
        return stream.outgoing

    assert asyncio.run(scene()) == b"\xc0\x00"


def test_a_refused_connection_says_why():
    async def scene(code):
        client = mqtt.Client(Stream(bytes((0x20, 2, 0, code))))
        return await raises_async(ProtocolError, client.connect(None, None, 60))

    assert "user or password" in str(asyncio.run(scene(4)))
    assert "code 200" in str(asyncio.run(scene(200)))


def test_bad_packets_are_refused():
    async def connect(incoming):
        await raises_async((ProtocolError, EOFError), mqtt.Client(Stream(incoming)).connect(None, None, 60))

    async def publish(incoming):
        client = mqtt.Client(Stream(CONNACK + incoming))
        await client.connect(None, None, 60)
        await raises_async((ProtocolError, EOFError), client.publish("t", b"x"))

    for incoming in (b"", b"\x20", b"\x20\x02\x00", b"\x20\x03\x00\x00\x00", b"\x20\x02\x01\x00", b"\x40\x02\x00\x01"):
        asyncio.run(connect(incoming))
    for incoming in (
        b"\x40\x02\x00\x02",  # another message's
        b"\x40\x03\x00\x01\x00",  # MQTT 5
        b"\x41\x02\x00\x01",  # flags that must be zero
        b"\x40\xff\xff\xff\xff",  # a length of a quarter gigabyte
        b"\x40\x82\x00\x00\x01",  # a length in more bytes than it needs
        b"\x30\x05\x00\x01tab",  # a message we never asked for
        b"\xd0\x00",
        b"\x40\x02\x00",
    ):
        asyncio.run(publish(incoming))


def test_random_bytes_never_acknowledge():
    random = Random(9)

    async def scene():
        for _ in range(500):
            noise = random.generate(random.below(12))
            if noise[:4] == b"\x40\x02\x00\x01":
                continue
            client = mqtt.Client(Stream(CONNACK + noise, 3))
            await client.connect(None, None, 60)
            await raises_async((ProtocolError, EOFError), client.publish("t", b"x"))

    asyncio.run(scene())


def test_packet_ids_wrap_past_zero():
    async def scene():
        stream = Stream(CONNACK)
        client = mqtt.Client(stream)
        await client.connect(None, None, 60)
        client._packet_id = 65534
        for packet_id in (65535, 1, 2):
            stream.arrive(b"\x40\x02" + packet_id.to_bytes(2, "big"))
            await client.publish("t", b"x")

    asyncio.run(scene())


async def _subscribed(incoming, split=7):
    """A client that has subscribed to TOPIC, and its stream; `incoming` comes after that."""
    stream = Stream(CONNACK + SUBACK + incoming, split)
    client = mqtt.Client(stream)
    await client.connect(None, None, 60)
    await client.subscribe([TOPIC])
    return client, stream


def test_subscribe_is_at_qos_0():
    packet = mqtt.subscribe_packet(["a", "bc"], 3)
    assert packet == b"\x82\x0b\x00\x03\x00\x01a\x00\x00\x02bc\x00"


def test_a_message_may_come_before_every_answer_and_the_last_one_counts():
    async def scene(split):
        first, second, third = [message_packet(TOPIC, bytes((number,)) * 300) for number in range(3)]
        fourth = message_packet(TOPIC, b"not retained", 0x30)
        stream = Stream(CONNACK + first + SUBACK + second + PUBACK + third + fourth + PINGRESP, split)
        client = mqtt.Client(stream)
        await client.connect(None, None, 60)
        await client.subscribe([TOPIC])
        inboxes = [dict(client.inbox)]
        await client.publish("hadeda/up", b"x")
        inboxes.append(dict(client.inbox))
        await client.ping()
        inboxes.append(dict(client.inbox))
        return inboxes

    for split in (1, 2, 100, 2000):
        inboxes = asyncio.run(scene(split))
        assert inboxes == [{TOPIC: bytes(300)}, {TOPIC: b"\x01" * 300}, {TOPIC: b"not retained"}]


def test_two_topics_have_their_own_place():
    async def scene():
        other = "hadeda/down/44556677"
        packets = message_packet(TOPIC, b"a") + message_packet(other, b"b")
        client = mqtt.Client(Stream(CONNACK + b"\x90\x04\x00\x01\x00\x00" + packets + PINGRESP))
        await client.connect(None, None, 60)
        await client.subscribe([TOPIC, other])
        await client.ping()
        return client.inbox

    assert asyncio.run(scene()) == {TOPIC: b"a", "hadeda/down/44556677": b"b"}


def test_an_emptied_topic_is_an_empty_message():
    async def scene():
        client, _ = await _subscribed(message_packet(TOPIC, b"a") + message_packet(TOPIC, b"", 0x30) + PINGRESP)
        await client.ping()
        return client.inbox

    assert asyncio.run(scene()) == {TOPIC: b""}


def test_a_subscription_that_is_not_granted_as_asked_is_an_error():
    async def scene(answer):
        client = mqtt.Client(Stream(CONNACK + answer))
        await client.connect(None, None, 60)
        await raises_async((ProtocolError, EOFError), client.subscribe([TOPIC]))

    for answer in (
        b"\x90\x03\x00\x01\x80",  # refused
        b"\x90\x03\x00\x01\x01",  # another quality of service
        b"\x90\x03\x00\x02\x00",  # another subscription
        b"\x90\x02\x00\x01",
        b"\x90\x04\x00\x01\x00\x00",
        b"\x91\x03\x00\x01\x00",
        PUBACK,
        PINGRESP,
        b"\x90\x03\x00",
    ):
        asyncio.run(scene(answer))


def test_messages_that_cannot_be_letters_are_read_past():
    async def scene(packet):
        client, _ = await _subscribed(packet + message_packet(TOPIC, b"after") + PINGRESP)
        await client.ping()
        return client.inbox

    for packet in (
        message_packet(TOPIC, bytes(SEALED_MAX + 1)),
        message_packet(TOPIC, bytes(60000)),
        message_packet("hadeda/down/44556677", b"another node's"),
        message_packet("hadeda/down/0011223", b"a part"),
        message_packet(TOPIC + "4", b"and more"),
        message_packet("", b"no topic"),
        message_packet("t" * 128, b"long topic"),
        message_packet("t" * 129, b"too long a topic"),
        message_packet("t" * 5000, b""),
        message_packet("hadeda/up", bytes(3000)),
        b"\x31\x06\x00\x02\xff\xfeab",  # a topic that is not UTF-8
        b"\x31\x83\x80\x80\x00\x00\x01a",  # a length in more bytes than it needs
    ):
        assert asyncio.run(scene(packet)) == {TOPIC: b"after"}
    assert asyncio.run(scene(message_packet(TOPIC, bytes(SEALED_MAX)))) == {TOPIC: b"after"}


def test_a_letter_of_the_greatest_length_is_taken():
    async def scene():
        client, _ = await _subscribed(message_packet(TOPIC, bytes(SEALED_MAX)) + PINGRESP)
        await client.ping()
        return client.inbox

    assert asyncio.run(scene()) == {TOPIC: bytes(SEALED_MAX)}


def test_messages_no_broker_may_send_us_end_the_session():
    async def scene(packet):
        client, _ = await _subscribed(packet + PINGRESP * 40)
        await raises_async((ProtocolError, EOFError), client.ping())
        assert client.inbox == {}

    good = message_packet(TOPIC, b"letter")
    for first in (0x32, 0x33, 0x34, 0x35, 0x36, 0x38, 0x39, 0x3A, 0x3B):
        asyncio.run(scene(bytes((first,)) + good[1:]))
    for packet in (
        b"\x31\x00",
        b"\x31\x01\x00",
        b"\x31\x02\x00\x01",  # a topic longer than the message
        b"\x31\x05\xff\xffabc",
        b"\x31\xff\xff\xff\xff\x01",  # a length of five bytes
        b"\x31\xff\xff\xff\x7f\x00\x01t" + bytes(200),  # a quarter of a gigabyte
        message_packet(TOPIC, bytes(65537)),
        message_packet("t", bytes(65537)),
        b"\x62\x02\x00\x01",  # PUBREL
        b"\xb0\x02\x00\x01",  # UNSUBACK
        b"\x31\x7f\x00\x14hadeda/down",  # cut short
    ):
        asyncio.run(scene(packet))


def test_a_broker_that_never_stops_talking_is_left():
    async def scene(count):
        client, _ = await _subscribed(message_packet(TOPIC, b"x") * count + PINGRESP)
        await client.ping()

    asyncio.run(scene(63))
    asyncio.run(raises_async(ProtocolError, scene(64)))


def test_random_packets_never_break_more_than_the_session():
    random = Random(21)

    async def scene():
        for _ in range(500):
            noise = b"\x31" + random.generate(random.below(40))
            client, _ = await _subscribed(noise, 5)
            await raises_async((ProtocolError, EOFError), client.ping())
            assert all(key == TOPIC for key in client.inbox)

    asyncio.run(scene())
