"""MQTT packets: read back as they were packed, and nothing but a Violation for anything else."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hadeda.simulate import mqtt_packets as mqtt
from hadeda.simulate.mqtt_packets import Message, Packet, Violation


@given(st.binary(max_size=40_000))
def test_a_publish_comes_back_as_it_was_packed(payload: bytes) -> None:
    sent = Message("hadeda/up", payload, 1, retain=True, duplicate=True, packet_id=700)
    buffer = bytearray(mqtt.pack_message(sent) + b"\xc0\x00")
    packet = mqtt.split(buffer)
    assert packet is not None
    assert packet.kind == mqtt.PUBLISH
    assert mqtt.message(packet) == sent
    assert buffer == b"\xc0\x00"


def test_a_packet_is_whole_only_with_its_last_byte() -> None:
    whole = mqtt.pack_message(Message("t", bytes(300), 1, packet_id=1))
    buffer = bytearray()
    for byte in whole[:-1]:
        buffer.append(byte)
        assert mqtt.split(buffer) is None
    buffer.append(whole[-1])
    assert mqtt.split(buffer) is not None
    assert not buffer


def test_connect_and_subscribe_are_read_as_packed() -> None:
    buffer = bytearray(mqtt.pack_connect("me", "user", "secret", 60) + mqtt.pack_subscribe(9, "hadeda/up", 1))
    first, second = mqtt.split(buffer), mqtt.split(buffer)
    assert first is not None
    assert second is not None
    assert mqtt.connect(first.body) == mqtt.Connect(4, False, 60, "me", "user", b"secret")
    assert mqtt.subscribe(second) == (9, [("hadeda/up", 1)])


@pytest.mark.parametrize(
    "packet",
    [
        Packet(mqtt.PUBLISH, 0x06, b"\0\1t\0\1"),  # QoS 3
        Packet(mqtt.PUBLISH, 0x02, b"\0\1t\0\0"),  # packet id 0
        Packet(mqtt.PUBLISH, 0x00, b"\0\1#"),  # a wildcard
        Packet(mqtt.PUBLISH, 0x00, b"\0\2\xff\xfe"),  # not UTF-8
        Packet(mqtt.PUBLISH, 0x00, b"\0\x09t"),  # longer than itself
    ],
)
def test_a_wrong_publish_is_a_violation(packet: Packet) -> None:
    with pytest.raises(Violation):
        mqtt.message(packet)


def test_an_endless_length_is_a_violation() -> None:
    with pytest.raises(Violation):
        mqtt.split(bytearray(b"\x30\xff\xff\xff\xff\x01"))
    with pytest.raises(Violation):
        mqtt.split(bytearray(b"\x30\xff\xff\xff\x7f"))


@given(st.binary(max_size=200))
def test_garbage_is_a_violation_or_a_packet_and_nothing_else(data: bytes) -> None:
    buffer = bytearray(data)
    with contextlib.suppress(Violation):
        while (packet := mqtt.split(buffer)) is not None:
            for read in (lambda p: mqtt.connect(p.body), mqtt.message, mqtt.subscribe):
                with contextlib.suppress(Violation):
                    read(packet)


@pytest.mark.parametrize(
    ("name", "topic", "fits"),
    [
        ("hadeda/up", "hadeda/up", True),
        ("hadeda/+", "hadeda/up", True),
        ("hadeda/+", "hadeda/down/1", False),
        ("hadeda/#", "hadeda/down/1", True),
        ("#", "hadeda", True),
        ("hadeda/up", "hadeda", False),
    ],
)
def test_filters(name: str, topic: str, fits: bool) -> None:
    assert mqtt.matches(name, topic) is fits
