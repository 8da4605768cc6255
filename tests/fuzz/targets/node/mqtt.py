"""A broker that says anything, in pieces of any size: ProtocolError or EOFError, and only letters we asked for."""

import asyncio

from firmware.board_fakes import message_packet
from firmware.fakes import Stream

from envelope.labels import SEALED_MAX
from node import mqtt
from node.errors import ProtocolError

TOPIC = "hadeda/down/00112233"
CONNACK = b"\x20\x02\x00\x00"
SUBACK = b"\x90\x03\x00\x01\x00"
PUBACK = b"\x40\x02\x00\x02"
PINGRESP = b"\xd0\x00"


def one_input(data):
    return asyncio.run(_session(data))


async def _session(data):
    client = mqtt.Client(Stream(data[1:], 1 + (data[0] if data else 0)))
    try:
        await client.connect("u", "p", 60)
        await client.subscribe([TOPIC])
        await client.publish("hadeda/up", b"report")
        await client.ping()
        done = True
    except (ProtocolError, EOFError):
        done = False
    for topic in client.inbox:
        if topic != TOPIC or len(client.inbox[topic]) > SEALED_MAX:
            raise AssertionError("a message that was not asked for")
    return done


def seeds():
    letter = message_packet(TOPIC, b"letter")
    long = message_packet(TOPIC, bytes(200))
    other = message_packet("hadeda/down/ffffffff", bytes(5000))
    return [
        b"\xff" + CONNACK + SUBACK + PUBACK + PINGRESP,
        b"\x06" + CONNACK + SUBACK + letter + PUBACK + long + PINGRESP,
        b"\x00" + CONNACK + letter + SUBACK + letter + PUBACK + PINGRESP,
        b"\xff" + CONNACK + SUBACK + other[:9000] + PUBACK + letter + PINGRESP,
    ]
