"""A small MQTT 3.1.1 client: connect with a clean session and no client id, publish at QoS 1, disconnect.

Reads only what such a client can be sent; every packet is checked and bounded. Timeouts are the caller's, one for each
call (OASIS MQTT 3.1.1; numbers in square brackets are its normative statements).
"""

from micropython import const

from node.errors import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ports.radio import Stream

_CONNECT = const(0x10)
_CONNACK = const(0x20)
_PUBLISH_QOS1 = const(0x32)
_PUBACK = const(0x40)
_PINGREQ = const(0xC0)
_PINGRESP = const(0xD0)
_DISCONNECT = const(0xE0)

_PROTOCOL = b"\x00\x04MQTT\x04"
_CLEAN_SESSION = const(0x02)
_WITH_PASSWORD = const(0x40)
_WITH_USER = const(0x80)

# What a broker may send to a client that never subscribes, and how long each is (sections 3.2, 3.4, 3.13)
_SIZES = {_CONNACK: 2, _PUBACK: 2, _PINGRESP: 0}

_REFUSED = (
    "accepted",
    "protocol version refused",
    "client id refused",
    "server unavailable",
    "bad user or password",
    "not authorised",
)


def _length(count: int) -> bytes:
    """The variable length of section 2.2.3, for at most 2 097 151 bytes."""
    if count < 128:
        return bytes((count,))
    if count < 16384:
        return bytes((count & 127 | 128, count >> 7))
    return bytes((count & 127 | 128, count >> 7 & 127 | 128, count >> 14))


def _string(value: "str | bytes") -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return len(data).to_bytes(2, "big") + data


def connect_packet(user: "str | None", password: "str | None", keep_alive_s: int) -> bytes:
    """CONNECT with an empty client id: the broker makes one up, we say nothing about ourselves [MQTT-3.1.3-6]."""
    flags = _CLEAN_SESSION
    payload = _string("")
    if user is not None:
        flags |= _WITH_USER
        payload += _string(user)
        if password is not None:
            flags |= _WITH_PASSWORD
            payload += _string(password)
    body = _PROTOCOL + bytes((flags,)) + keep_alive_s.to_bytes(2, "big") + payload
    return bytes((_CONNECT,)) + _length(len(body)) + body


def publish_packet(topic: str, payload: bytes, packet_id: int) -> bytes:
    """PUBLISH at QoS 1, not retained."""
    body = _string(topic) + packet_id.to_bytes(2, "big")
    return bytes((_PUBLISH_QOS1,)) + _length(len(body) + len(payload)) + body + payload


async def read_packet(stream: "Stream") -> "tuple[int, bytes]":
    """(first byte, body) of one packet that a broker may send us; ProtocolError for any other."""
    head = await stream.read_exactly(2)
    size = _SIZES.get(head[0])
    if size is None:
        raise ProtocolError(f"unexpected MQTT packet 0x{head[0]:02x}")
    if head[1] != size:
        raise ProtocolError(f"MQTT packet 0x{head[0]:02x} of a wrong length")
    return head[0], await stream.read_exactly(size) if size else b""


class Client:
    """One connection. Every method raises ProtocolError, OSError or EOFError when the broker is not to be had."""

    def __init__(self, stream: "Stream") -> None:
        self._stream = stream
        self._packet_id = 0

    async def connect(self, user: "str | None", password: "str | None", keep_alive_s: int) -> None:
        await self._stream.write(connect_packet(user, password, keep_alive_s))
        body = await self._expect(_CONNACK)
        if body[0]:
            raise ProtocolError("the broker resumed a session that we did not ask for")
        if body[1]:
            reason = _REFUSED[body[1]] if body[1] < len(_REFUSED) else f"code {body[1]}"
            raise ProtocolError("the broker refused: " + reason)

    async def publish(self, topic: str, payload: bytes) -> None:
        """Returns when the broker has acknowledged exactly this message."""
        self._packet_id = self._packet_id % 65535 + 1
        await self._stream.write(publish_packet(topic, payload, self._packet_id))
        body = await self._expect(_PUBACK)
        if int.from_bytes(body, "big") != self._packet_id:
            raise ProtocolError("PUBACK for another message")

    async def ping(self) -> None:
        await self._stream.write(bytes((_PINGREQ, 0)))
        await self._expect(_PINGRESP)

    async def disconnect(self) -> None:
        await self._stream.write(bytes((_DISCONNECT, 0)))

    async def _expect(self, kind: int) -> bytes:
        first, body = await read_packet(self._stream)
        if first != kind:
            raise ProtocolError(f"MQTT packet 0x{first:02x} instead of 0x{kind:02x}")
        return body
