"""Who listens at the broker: both directions of each node's connections, cut into epochs, and what repeats in them.

An epoch's bytes are all that goes under its kid. A session's own packets belong to the epoch whose mailbox it listens
on first; a topic, and what is published there, to the kid in it; a report to the kid in it; a ready message to none of
them: it is a chapter of its own, the same one however often it is sent.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import cbor2
from mqtt_proxy import Wire

from hadeda.envelope import labels

CONNECT, PUBLISH, SUBSCRIBE = 1, 3, 8
READY = "ready "  # begins the name of a ready message among the epochs
# A string of so many bytes in so many epochs of a node (a number, or a share of them) does not come about by chance,
# not even when three of its bytes are the end of a framing and the others are digits
PRIVATE = 4
RULES: tuple[tuple[int, int | float], ...] = ((PRIVATE, 0.75), (6, 3), (8, 2))

# In a ciphertext beside the padded payload: the tag, and the COSE_Sign1 around it; one more when that is 256 or longer
_AROUND = (
    labels.TAG_SIZE + len(cbor2.dumps(cbor2.CBORTag(labels.TAG_SIGN1, [bytes(3), {}, bytes(128), bytes(64)]))) - 128
)
_LONGER = 1

Epochs = dict[str, list[bytes]]  # kid, or a name for a ready message -> pieces of the traffic that belong to it


@dataclass
class Session:
    """One connection of a node: what it said, and what it was told."""

    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)


class Tap(Wire):
    """Between one node and the broker: keeps what went over it, both ways."""

    def __init__(self, port: int, target: int) -> None:
        super().__init__(port, target)
        self._down: list[bytearray] = []

    def answer(self, data: bytes) -> bytes:
        self._down += [bytearray() for _ in self.sent[len(self._down) :]]
        self._down[-1] += data  # a node has one connection at a time
        return data

    @property
    def sessions(self) -> list[Session]:
        """The connections so far in which the broker answered, in their order."""
        return [Session(up, down) for up, down in zip(self.sent, self._down, strict=False)]


@dataclass(frozen=True)
class Packet:
    """An MQTT 3.1.1 packet: `raw` is all of it, `body` what follows the length."""

    kind: int
    flags: int
    raw: bytes
    body: bytes

    @property
    def topic(self) -> str:
        """Of a PUBLISH."""
        return self.body[2 : 2 + int.from_bytes(self.body[:2], "big")].decode()

    @property
    def payload(self) -> bytes:
        """Of a PUBLISH."""
        quality = self.flags >> 1 & 3
        return self.body[2 + len(self.topic) + (2 if quality else 0) :]

    @property
    def topics(self) -> list[str]:
        """Of a SUBSCRIBE."""
        found, at = [], 2
        while at < len(self.body):
            size = int.from_bytes(self.body[at : at + 2], "big")
            found.append(self.body[at + 2 : at + 2 + size].decode())
            at += 2 + size + 1
        return found


def packets(stream: bytes) -> Iterator[Packet]:
    """The MQTT packets in one direction of a connection."""
    at = 0
    while at < len(stream):
        size, shift, place = 0, 0, at + 1
        while True:
            size |= (stream[place] & 0x7F) << shift
            shift += 7
            place += 1
            if not stream[place - 1] & 0x80:
                break
        yield Packet(
            stream[at] >> 4, stream[at] & 15, bytes(stream[at : place + size]), bytes(stream[place : place + size])
        )
        at = place + size


def published(sessions: Iterable[Session], *, down: bool = False) -> list[Packet]:
    """Every message that a node sent, or was sent, in its order; a topic that was cleared is none."""
    streams = (session.down if down else session.up for session in sessions)
    return [
        packet for stream in streams for packet in packets(bytes(stream)) if packet.kind == PUBLISH and packet.payload
    ]


def is_ready(payload: bytes) -> bool:
    """Whether a payload is a node's announcement of a re-key."""
    return bool(cbor2.loads(payload).tag == labels.TAG_ENCRYPT)


def padded_size(payload: bytes) -> int:
    """How long the padded payload in a COSE message must be, from the length of the ciphertext."""
    size = len(cbor2.loads(payload).value[2]) - _AROUND
    return size - (_LONGER if size > 256 else 0)


def epochs(sessions: Iterable[Session]) -> Epochs:
    """The traffic of one node by epochs, in the order of their first appearance."""
    found: Epochs = {}
    for session in sessions:
        own = _own_epoch(session)
        for stream in (session.up, session.down):
            last = ""
            for epoch, data in _attributed(bytes(stream), own):
                pieces = found.setdefault(epoch, [])
                if epoch == last and stream is session.up:  # what follows what from above is the broker's doing
                    pieces[-1] += data
                else:
                    pieces.append(data)
                last = epoch
    return found


def _own_epoch(session: Session) -> str:
    """The epoch a session's own packets belong to; one in which the node did not listen goes by its first report."""
    said = [packet for packet in packets(bytes(session.up)) if packet.kind in (SUBSCRIBE, PUBLISH)]
    listened = [_kid_of_topic(packet.topics[0]) for packet in said if packet.kind == SUBSCRIBE]
    reported = [_epoch_of_message(packet) for packet in said if packet.kind == PUBLISH and not is_ready(packet.payload)]
    return [*listened, *reported][0]


def _attributed(stream: bytes, own: str) -> Iterator[tuple[str, bytes]]:
    """(epoch, bytes) of one direction of a session that belongs to the epoch `own`."""
    for packet in packets(stream):
        if packet.kind == SUBSCRIBE:
            rest = packet.raw
            for topic in packet.topics[1:]:
                before, rest = rest.split(topic.encode())
                yield own, before
                yield _kid_of_topic(topic), topic.encode()
            yield own, rest
        elif packet.kind == PUBLISH:
            yield _epoch_of_message(packet), packet.raw
        else:
            yield own, packet.raw


def _kid_of_topic(topic: str) -> str:
    return topic.rpartition("/")[2]


def _epoch_of_message(packet: Packet) -> str:
    if packet.topic.startswith("hadeda/down/"):
        return _kid_of_topic(packet.topic)
    if is_ready(packet.payload):
        return READY + packet.payload.hex()
    return bytes(cbor2.loads(packet.payload).value[1][labels.HEADER_KID]).hex()


def constants(nodes: Mapping[str, Epochs]) -> dict[str, set[bytes]]:
    """What tells each node: the longest strings that come back in its epochs, and are in nobody else's traffic.

    That holds for every four bytes of such a string: what all nodes have in common is not part of it.
    """
    found = {}
    for name, own in nodes.items():
        others = [pieces for other, theirs in nodes.items() if other != name for pieces in theirs.values()]
        common = set().union(*(_grams(pieces, PRIVATE) for pieces in others))
        telling: set[bytes] = set()
        for size, times in RULES:
            least = times if isinstance(times, int) else math.ceil(times * len(numbered(own)))
            count = Counter(gram for pieces in own.values() for gram in _grams(pieces, size))
            repeated = {gram for gram, epochs_with_it in count.items() if epochs_with_it >= least}
            repeated = {gram for gram in repeated if common.isdisjoint(_grams([gram], PRIVATE))}
            telling |= {run for pieces in own.values() for run in _runs(pieces, repeated, size)}
        found[name] = telling
    return found


def numbered(own: Epochs) -> list[str]:
    """The kids of a node's epochs: without what its ready messages are filed under."""
    return [epoch for epoch in own if not epoch.startswith(READY)]


def _grams(pieces: Iterable[bytes], size: int) -> set[bytes]:
    return {piece[at : at + size] for piece in pieces for at in range(len(piece) - size + 1)}


def _runs(pieces: Iterable[bytes], grams: set[bytes], size: int) -> Iterator[bytes]:
    """The longest strings all of whose parts of `size` bytes are in `grams`."""
    for piece in pieces:
        start = -1
        for at in range(len(piece) - size + 2):
            if piece[at : at + size] in grams and len(piece) - at >= size:
                start = at if start < 0 else start
            elif start >= 0:
                yield piece[start : at + size - 1]
                start = -1
