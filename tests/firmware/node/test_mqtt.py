"""The MQTT client says what MQTT 3.1.1 asks for, nothing about itself, and believes no broken packet."""

import asyncio

from firmware.fakes import Random, Stream, raises_async

from node import mqtt
from node.errors import ProtocolError

CONNACK = b"\x20\x02\x00\x00"


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
