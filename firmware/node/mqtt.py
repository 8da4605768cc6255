"""A small MQTT 3.1.1 client: connect with a clean session and no client id, publish at QoS 1, subscribe at QoS 0.

Reads only what such a client can be sent; every packet is checked and bounded. A message may come at any time, also
between a question and its answer. Timeouts are the caller's, one for each call (OASIS MQTT 3.1.1; numbers in square
brackets are its normative statements).
"""

from micropython import const

from envelope.labels import SEALED_MAX
from node.errors import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ports.radio import Stream

_CONNECT = const(0x10)
_CONNACK = const(0x20)
_PUBLISH_QOS0 = const(0x30)
_PUBLISH_QOS0_RETAINED = const(0x31)
_PUBLISH_QOS1 = const(0x32)
_PUBACK = const(0x40)
_SUBSCRIBE = const(0x82)
_SUBACK = const(0x90)
_PINGREQ = const(0xC0)
_PINGRESP = const(0xD0)
_DISCONNECT = const(0xE0)

_PROTOCOL = b"\x00\x04MQTT\x04"
_CLEAN_SESSION = const(0x02)
_WITH_PASSWORD = const(0x40)
_WITH_USER = const(0x80)

TOPIC_MAX = 128
# A message that is too long for a letter is read past, piece by piece, unless it is absurd
_SKIP_MAX = const(65536)
_PIECE = const(128)
# So many messages may come while we wait for an answer
_MESSAGES_MAX = const(64)

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


def subscribe_packet(topics: "list[str]", packet_id: int) -> bytes:
    """SUBSCRIBE to every topic at QoS 0."""
    body = packet_id.to_bytes(2, "big")
    for topic in topics:
        body += _string(topic) + b"\x00"
    return bytes((_SUBSCRIBE,)) + _length(len(body)) + body


class Client:
    """One connection. Every method raises ProtocolError, OSError or EOFError when the broker is not to be had.

    `inbox` maps each subscribed topic to the last message that came there: on a retained topic the last one counts.
    """

    def __init__(self, stream: "Stream") -> None:
        self._stream = stream
        self._packet_id = 0
        self._topics: tuple[bytes, ...] = ()
        self.inbox: dict[str, bytes] = {}

    async def connect(self, user: "str | None", password: "str | None", keep_alive_s: int) -> None:
        await self._stream.write(connect_packet(user, password, keep_alive_s))
        body = await self._expect(_CONNACK, 2)
        if body[0]:
            raise ProtocolError("the broker resumed a session that we did not ask for")
        if body[1]:
            reason = _REFUSED[body[1]] if body[1] < len(_REFUSED) else f"code {body[1]}"
            raise ProtocolError("the broker refused: " + reason)

    async def subscribe(self, topics: "list[str]") -> None:
        """Returns when the broker has granted all of them; call it once."""
        self._topics = tuple(topic.encode() for topic in topics)
        packet_id = self._next_packet_id()
        await self._stream.write(subscribe_packet(topics, packet_id))
        body = await self._expect(_SUBACK, 2 + len(topics))
        if int.from_bytes(body[:2], "big") != packet_id:
            raise ProtocolError("SUBACK for another subscription")
        if body[2:] != bytes(len(topics)):
            raise ProtocolError("the broker refused the subscription")

    async def publish(self, topic: str, payload: bytes) -> None:
        """Returns when the broker has acknowledged exactly this message."""
        packet_id = self._next_packet_id()
        await self._stream.write(publish_packet(topic, payload, packet_id))
        body = await self._expect(_PUBACK, 2)
        if int.from_bytes(body, "big") != packet_id:
            raise ProtocolError("PUBACK for another message")

    async def ping(self) -> None:
        """Returns when the broker has answered; what it had sent before is in the inbox then."""
        await self._stream.write(bytes((_PINGREQ, 0)))
        await self._expect(_PINGRESP, 0)

    async def disconnect(self) -> None:
        await self._stream.write(bytes((_DISCONNECT, 0)))

    def _next_packet_id(self) -> int:
        self._packet_id = self._packet_id % 65535 + 1
        return self._packet_id

    async def _expect(self, kind: int, size: int) -> bytes:
        """The body of the one packet that we wait for; messages that come before it go to the inbox."""
        for _ in range(_MESSAGES_MAX):
            head = await self._stream.read_exactly(2)
            if head[0] == kind:
                if head[1] != size:
                    raise ProtocolError(f"MQTT packet 0x{kind:02x} of a wrong length")
                return await self._stream.read_exactly(size) if size else b""
            # Any other quality of service or a duplicate: no broker sends that for what we subscribed to
            if not self._topics or head[0] not in (_PUBLISH_QOS0, _PUBLISH_QOS0_RETAINED):
                raise ProtocolError(f"MQTT packet 0x{head[0]:02x} instead of 0x{kind:02x}")
            await self._receive(await self._read_length(head[1]))
        raise ProtocolError("the broker sends messages without end")

    async def _read_length(self, first: int) -> int:
        """The variable length that begins with the byte `first`."""
        size = first & 127
        for shift in (7, 14, 21):
            if not first & 128:
                break
            first = (await self._stream.read_exactly(1))[0]
            size |= (first & 127) << shift
        if first & 128:
            raise ProtocolError("MQTT packet with a length of five bytes")
        return size

    async def _receive(self, size: int) -> None:
        """Take one message of `size` bytes into the inbox, or read past it when it cannot be for us."""
        if size < 2:
            raise ProtocolError("MQTT message without a topic")
        topic_size = int.from_bytes(await self._stream.read_exactly(2), "big")
        size -= 2
        if topic_size > size:
            raise ProtocolError("MQTT message whose topic is longer than itself")
        if topic_size > TOPIC_MAX:
            await self._skip(size)
            return
        topic = await self._stream.read_exactly(topic_size) if topic_size else b""
        size -= topic_size
        if topic not in self._topics or size > SEALED_MAX:
            await self._skip(size)
            return
        self.inbox[topic.decode()] = await self._stream.read_exactly(size) if size else b""

    async def _skip(self, size: int) -> None:
        if size > _SKIP_MAX:
            raise ProtocolError(f"MQTT message of {size} bytes")
        while size:
            size -= len(await self._stream.read_exactly(min(size, _PIECE)))
