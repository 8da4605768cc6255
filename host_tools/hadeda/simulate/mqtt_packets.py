"""MQTT 3.1.1 packets as bytes, from the standard (OASIS MQTT 3.1.1) and not from the node's client.

Reading checks everything a server must check; what breaks the protocol raises Violation, and nothing else does.
"""

from dataclasses import dataclass
from typing import Final

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 8, 9, 10, 11
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14
ACCEPTED, BAD_PROTOCOL, BAD_CLIENT_ID, NOT_AUTHORISED = 0, 1, 2, 5
REFUSED_FILTER: Final = 0x80
PACKET_MAX: Final = 1 << 17  # bytes; whoever sends more is not one of ours


class Violation(Exception):
    """The other side does not speak MQTT; section 4.8: close the connection."""


@dataclass(frozen=True)
class Packet:
    """Type, flags, and what comes after the length."""

    kind: int
    flags: int
    body: bytes


@dataclass(frozen=True)
class Connect:
    """CONNECT (section 3.1), without the will, which is refused."""

    protocol: int
    clean: bool
    keep_alive_s: int
    client_id: str
    user: str | None
    password: bytes | None


@dataclass(frozen=True)
class Message:
    """PUBLISH (section 3.3). `packet_id` is 0 at QoS 0."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    duplicate: bool = False
    packet_id: int = 0


class _Reader:
    """Takes fields off a body; too short is a Violation."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, count: int) -> bytes:
        found = self._body[self._at : self._at + count]
        if len(found) != count:
            raise Violation("packet ends early")
        self._at += count
        return found

    def number(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def binary(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        try:
            found = self.binary().decode()
        except UnicodeDecodeError:
            raise Violation("text is not UTF-8") from None
        if "\0" in found:
            raise Violation("U+0000 in a text")
        return found

    def rest(self) -> bytes:
        return self.take(len(self._body) - self._at)

    @property
    def empty(self) -> bool:
        return self._at == len(self._body)


def split(buffer: bytearray) -> Packet | None:
    """Take the first whole packet off `buffer`; None when there is none yet."""
    size, shift = 0, 0
    for at in range(1, 5):
        if at >= len(buffer):
            return None
        size |= (buffer[at] & 127) << shift
        shift += 7
        if not buffer[at] & 128:
            break
    else:
        raise Violation("length of five bytes")
    if size > PACKET_MAX:
        raise Violation("packet too long")
    end = at + 1 + size
    if len(buffer) < end:
        return None
    found = Packet(buffer[0] >> 4, buffer[0] & 15, bytes(buffer[at + 1 : end]))
    del buffer[:end]
    return found


def connect(body: bytes) -> Connect:
    """Read a CONNECT."""
    reader = _Reader(body)
    name, level, flags, keep_alive_s = reader.binary(), reader.take(1)[0], reader.take(1)[0], reader.number()
    if name != b"MQTT":
        raise Violation("not MQTT")
    if flags & 0x3D:
        raise Violation("a will, or a reserved flag")
    has_user, has_password = bool(flags & 0x80), bool(flags & 0x40)
    if has_password and not has_user:
        raise Violation("a password without a user")
    client_id = reader.text()
    user = reader.text() if has_user else None
    password = reader.binary() if has_password else None
    if not reader.empty:
        raise Violation("CONNECT is longer than its fields")
    return Connect(level, bool(flags & 2), keep_alive_s, client_id, user, password)


def message(packet: Packet) -> Message:
    """Read a PUBLISH."""
    qos = packet.flags >> 1 & 3
    if qos > 1 or (not qos and packet.flags & 8):
        raise Violation("a quality of service that is not spoken here")
    reader = _Reader(packet.body)
    topic = reader.text()
    if not topic or set(topic) & {"#", "+"}:
        raise Violation("not a topic to publish to")
    packet_id = reader.number() if qos else 0
    if qos and not packet_id:
        raise Violation("packet id 0")
    return Message(topic, reader.rest(), qos, bool(packet.flags & 1), bool(packet.flags & 8), packet_id)


def subscribe(packet: Packet) -> tuple[int, list[tuple[str, int]]]:
    """Read a SUBSCRIBE: packet id, and each filter with its QoS."""
    if packet.flags != 2:
        raise Violation("reserved flags")
    reader = _Reader(packet.body)
    packet_id, filters = reader.number(), []
    while not reader.empty:
        name, qos = reader.text(), reader.take(1)[0]
        if not name or qos > 2:
            raise Violation("not a subscription")
        filters.append((name, qos))
    if not filters or not packet_id:
        raise Violation("an empty subscription")
    return packet_id, filters


def acknowledged(body: bytes) -> int:
    """Read the packet id of a PUBACK."""
    reader = _Reader(body)
    packet_id = reader.number()
    if not reader.empty:
        raise Violation("PUBACK of a wrong length")
    return packet_id


def packed(kind: int, flags: int, body: bytes = b"") -> bytes:
    """A packet as bytes."""
    size, length = len(body), b""
    while True:
        size, digit = size >> 7, size & 127
        length += bytes([digit | 128 if size else digit])
        if not size:
            return bytes([kind << 4 | flags]) + length + body


def pack_text(text: str) -> bytes:
    """A length-prefixed text."""
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def pack_message(found: Message) -> bytes:
    """A PUBLISH."""
    head = pack_text(found.topic) + (found.packet_id.to_bytes(2, "big") if found.qos else b"")
    return packed(PUBLISH, found.duplicate << 3 | found.qos << 1 | found.retain, head + found.payload)


def pack_connect(client_id: str, user: str, password: str, keep_alive_s: int) -> bytes:
    """A CONNECT with a login, for a session that is kept."""
    head = pack_text("MQTT") + bytes([4, 0xC0]) + keep_alive_s.to_bytes(2, "big")
    return packed(CONNECT, 0, head + pack_text(client_id) + pack_text(user) + pack_text(password))


def pack_subscribe(packet_id: int, name: str, qos: int) -> bytes:
    """A SUBSCRIBE to one filter."""
    return packed(SUBSCRIBE, 2, packet_id.to_bytes(2, "big") + pack_text(name) + bytes([qos]))


def matches(name: str, topic: str) -> bool:
    """Whether a topic filter takes in a topic (section 4.7)."""
    wanted, given = name.split("/"), topic.split("/")
    for at, level in enumerate(wanted):
        if level == "#":
            return True
        if at >= len(given) or level not in ("+", given[at]):
            return False
    return len(wanted) == len(given)
