"""What leaves the board: nothing in it says which node speaks, except to the city."""

from collections.abc import Callable

from lamp_post import LampPost
from mqtt_proxy import Wire

from hadeda.emulator.boot_info import unique_id
from hadeda.registry import nodes

CONNECT, PUBLISH = 1, 3


def packets(stream: bytes) -> list[tuple[int, bytes]]:
    """(type, body) of the MQTT 3.1.1 packets in what a client sent."""
    found, at = [], 0
    while at < len(stream):
        size, shift, place = 0, 0, at + 1
        while True:
            size |= (stream[place] & 0x7F) << shift
            shift += 7
            place += 1
            if not stream[place - 1] & 0x80:
                break
        found.append((stream[at] >> 4, stream[place : place + size]))
        at = place + size
    return found


def text_at(body: bytes, at: int) -> bytes:
    """The length-prefixed string at this place."""
    size = int.from_bytes(body[at : at + 2], "big")
    return body[at + 2 : at + 2 + size]


def test_topic_and_client_id_carry_nothing_identifying(raise_post: Callable[..., LampPost]) -> None:
    post = raise_post(tls=False)
    broker = post.broker(port=post.city.settings.broker.port + 1, tls=False)
    broker.start()
    post.collect_plain(broker.port)
    left = bytearray()
    post.emulated.radio.on_sent = left.extend
    with Wire(post.city.settings.broker.port, broker.port) as line:
        post.power_on()
        post.run_windows(2)
        post.wait_stored(2)
    said = [packet for stream in line.sent for packet in packets(bytes(stream))]
    client_ids = {text_at(body, 10) for kind, body in said if kind == CONNECT}
    topics = {text_at(body, 0) for kind, body in said if kind == PUBLISH}
    assert (client_ids, topics) == ({b""}, {b"hadeda/up"})
    check_anonymous(post, bytes(left))


def check_anonymous(post: LampPost, left: bytes) -> None:
    """Nothing that stays the same for this node, in no form, is in the bytes that left the board."""
    (node,) = nodes(post.city.database)
    mac = unique_id(post.board, post.seed, post.flash)
    mac = mac if isinstance(mac, bytes) else bytes.fromhex(str(mac))
    for name, identifying in {
        "node id": bytes.fromhex(node.node_id),
        "start of the node id": bytes.fromhex(node.node_id)[:6],
        "identity key": post.secrets["public"][1:33],
        "MAC": mac,
        "name": node.name.encode(),
        "board": post.board.name.encode(),
        "Wi-Fi": b"street",
        "Wi-Fi password": post.city.secrets.wifi_password.encode(),
        "private key": post.secrets["private"],
        "root key": post.secrets["root"],
    }.items():
        for form in (identifying, identifying.hex().encode(), identifying.hex().upper().encode()):
            assert form not in left, f"the {name} left the board"
    assert b"hadeda/up" in left, "the tap saw nothing"


def test_the_broker_sees_an_anonymous_client_and_one_topic(raise_post: Callable[..., LampPost]) -> None:
    post = raise_post()
    broker = post.open_city()
    post.power_on()
    post.run_windows(2)
    post.wait_stored(2)
    log = broker.log
    assert "as auto-" in log, log[-800:]
    (node,) = nodes(post.city.database)
    for identifying in (node.node_id[:12], node.name):
        assert identifying not in log
    assert {line.split("'")[1] for line in log.splitlines() if "Received PUBLISH from auto-" in line} == {"hadeda/up"}


def test_reports_have_a_length_that_does_not_tell_a_full_street_from_an_empty_one(post: LampPost) -> None:
    post.power_on()
    post.run_windows(3)
    post.wait_stored(3)
    assert {len(sealed) % 32 for sealed in post.collector.messages} == {len(post.collector.messages[0]) % 32}
    assert max(map(len, post.collector.messages)) <= 256
