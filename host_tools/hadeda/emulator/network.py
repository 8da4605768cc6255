"""What is behind the access point: the seam between the board's radio and a network, real or simulated.

The radio keeps association and socket handles, the network keeps the connections. `local_network.py` is this computer's
own network through real sockets, `hadeda/simulate/network.py` one that lives in virtual time.
"""

import socket
import struct
from collections import deque
from typing import Protocol

from hadeda.emulator.errors import EAGAIN, BoardOSError

ADDRESS_ERROR = -202  # lwIP's EAI_FAIL as the port raises it
RECEIVE_LIMIT = 5744  # lwIP's default TCP window on the ESP32
NTP_PORT = 123
NTP_SIZE = 48
NTP_UNIX = 2_208_988_800  # seconds from 1900 to 1970, RFC 5905 section 6


class Connection:
    """One socket of the board, as its own TCP/IP stack sees it. `error` is an errno, once it has failed."""

    def __init__(self, kind: int) -> None:
        self.kind = kind
        self.inbox: deque[tuple[str, int, bytes]] = deque()
        self.waiting = 0
        self.ended = False
        self.error = 0

    @property
    def stream(self) -> bool:
        """Whether it is TCP."""
        return self.kind == socket.SOCK_STREAM

    @property
    def readable(self) -> bool:
        """Whether a read would not wait."""
        return bool(self.inbox) or self.ended or bool(self.error)

    @property
    def writable(self) -> bool:
        """Whether a write would not wait."""
        return not self.stream or bool(self.error)

    @property
    def linked(self) -> bool:
        """Whether somebody may be about to answer."""
        return False

    def put(self, host: str, port: int, data: bytes) -> None:
        """Something has arrived."""
        self.inbox.append((host, port, data))
        self.waiting += len(data)

    def take(self, count: int) -> tuple[str, int, bytes]:
        """(host, port, bytes) received; empty bytes at the end of a stream."""
        if not self.inbox:
            if self.error:
                raise BoardOSError(self.error)
            if self.ended:
                return "", 0, b""
            raise BoardOSError(EAGAIN)
        host, port, data = self.inbox.popleft()
        self.waiting -= min(count, len(data)) if self.stream else len(data)
        if len(data) > count and self.stream:
            self.inbox.appendleft((host, port, data[count:]))
        return host, port, data[:count]


class Network(Protocol):
    """What the radio needs. Failures are BoardOSError with the port's errno."""

    ntp_offset_s: float | None  # what the time server is off by; None: it does not answer

    def open(self, kind: int) -> Connection:
        """A new socket (socket.SOCK_STREAM or SOCK_DGRAM)."""
        ...

    def resolve(self, host: str) -> str:
        """The address of a name."""
        ...

    def connect(self, connection: Connection, host: str, port: int) -> None:
        """Begin to connect; the connection is writable when that is done, one way or the other."""
        ...

    def send(self, connection: Connection, data: bytes) -> int:
        """How many bytes of `data` were taken; EAGAIN where there is no room."""
        ...

    def send_datagram(self, connection: Connection, host: str, port: int, data: bytes) -> None:
        """Let go of a datagram."""
        ...

    def receive(self, connection: Connection, count: int) -> tuple[str, int, bytes]:
        """(host, port, bytes) that have arrived, as Connection.take."""
        ...

    def close(self, connection: Connection) -> None:
        """The board closes it: the peer is told."""
        ...

    def drop(self, connection: Connection, error: int) -> None:
        """The board has lost it, and finds `error`: the peer is told nothing."""
        ...

    def next_event_us(self) -> int | None:
        """The board's time at which something arrives by itself; None where real sockets would tell."""
        ...

    def settle(self) -> None:
        """Take in what has arrived by now."""
        ...


def ntp_answer(query: bytes, unix_s: float) -> bytes:
    """A stratum 2 server's answer at `unix_s` by its clock (RFC 5905 section 7.3)."""
    now = unix_s + NTP_UNIX
    stamp = struct.pack(">II", int(now) & 0xFFFFFFFF, int(now % 1 * (1 << 32)))
    version = query[0] & 0x38
    head = struct.pack(">BBBbII4s", version | 4, 2, 6, -20, 0, 0, b"\x7f\x00\x00\x01")
    return head + stamp + query[40:48] + stamp + stamp
