"""The board's Wi-Fi and what is behind it: one access point, and this computer's own network through real sockets.

Every UDP port 123 answers as an NTP server that knows the world's time; everything else goes to the named host for
real.
"""

import contextlib
import selectors
import socket
import struct
from collections import deque
from collections.abc import Callable

from hadeda.emulator.errors import (
    EAGAIN,
    ECONNABORTED,
    ECONNREFUSED,
    ECONNRESET,
    EHOSTUNREACH,
    ENFILE,
    ENOTCONN,
    BoardOSError,
)
from hadeda.emulator.surface import opcodes

STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP, STAT_NO_AP_FOUND = 1000, 1001, 1010, 201
ASSOCIATION_US = 1_500_000  # scan, WPA2 handshake and DHCP: an ordinary ESP32 needs one to three seconds
RSSI_DBM = -61
NTP_PORT = 123
NTP_UNIX = 2_208_988_800  # seconds from 1900 to 1970, RFC 5905 section 6
ADDRESS_ERROR = -202  # lwIP's EAI_FAIL as the port raises it
RECEIVE_LIMIT = 5744  # lwIP's default TCP window on the ESP32
OnSent = Callable[[bytes], None]


class Connection:
    """One socket of the board."""

    def __init__(self, kind: int) -> None:
        self.kind = kind
        self.real: socket.socket | None = None
        self.connecting = False
        self.inbox: deque[tuple[str, int, bytes]] = deque()
        self.waiting = 0
        self.ended = False
        self.error = 0

    @property
    def readable(self) -> bool:
        return bool(self.inbox) or self.ended or bool(self.error)

    @property
    def writable(self) -> bool:
        return (self.kind != socket.SOCK_STREAM or self.real is not None) and not self.connecting

    def take(self, count: int) -> tuple[str, int, bytes]:
        """(host, port, bytes) received; empty bytes at the end of a stream."""
        if not self.inbox:
            if self.error:
                raise BoardOSError(self.error)
            if self.ended:
                return "", 0, b""
            raise BoardOSError(EAGAIN)
        host, port, data = self.inbox.popleft()
        self.waiting -= min(count, len(data))
        if len(data) > count and self.kind == socket.SOCK_STREAM:
            self.inbox.appendleft((host, port, data[count:]))
        return host, port, data[:count]


class Radio:
    """`unix_now` is the world's time for NTP; `lose_reach` and `regain_reach` make a blackout."""

    def __init__(
        self, selector: selectors.BaseSelector, now_us: Callable[[], int], unix_now: Callable[[], float]
    ) -> None:
        self._selector = selector
        self._now_us = now_us
        self._unix_now = unix_now
        self.in_reach = True
        self.ntp_offset_s: float | None = 0.0  # None: no answer
        self.on_sent: OnSent | None = None
        self.bytes_sent = self.bytes_received = 0
        self._on = False
        self._joined_us: int | None = None
        self._ssid = b""
        self._connections: dict[int, Connection] = {}

    @property
    def online(self) -> bool:
        """Whether a real peer may be about to answer."""
        return any(c.real is not None and not c.error for c in self._connections.values())

    def reset(self) -> None:
        """The chip was reset: no radio, no sockets."""
        self._on = False
        self._joined_us = None
        for handle in list(self._connections):
            self._close(handle)

    def status(self) -> int:
        """A network.STAT_ constant."""
        if not self._on or self._joined_us is None:
            return STAT_IDLE
        if not self.in_reach:
            return STAT_NO_AP_FOUND
        return STAT_GOT_IP if self._now_us() >= self._joined_us else STAT_CONNECTING

    def next_event_us(self) -> int | None:
        """When the association will be through."""
        return self._joined_us if self._joined_us and self._joined_us > self._now_us() else None

    def ready(self) -> int:
        """The socket bits of the ready mask."""
        mask = 0
        for handle, connection in self._connections.items():
            mask |= connection.readable << (opcodes.READY_SOCKET_IN + handle)
            mask |= connection.writable << (opcodes.READY_SOCKET_OUT + handle)
        return mask

    def lose_reach(self) -> None:
        """The access point is gone: associations and connections with it, without a goodbye."""
        self.in_reach = False
        for connection in self._connections.values():
            self._drop(connection, ECONNABORTED)

    def regain_reach(self) -> None:
        """The access point is back; the chip joins it again by itself, as the port's `reconnects` setting has it."""
        self.in_reach = True
        if self._joined_us is not None:
            self._joined_us = self._now_us() + ASSOCIATION_US

    def _require_network(self) -> None:
        if self.status() != STAT_GOT_IP:
            raise BoardOSError(EHOSTUNREACH)

    def _connection(self, handle: int) -> Connection:
        try:
            return self._connections[handle]
        except KeyError:
            raise BoardOSError(ENOTCONN) from None

    def _wlan_active(self, payload: bytes) -> bytes:
        if not payload[0]:
            self.reset()
        self._on = bool(payload[0])
        return b""

    def _wlan_connect(self, payload: bytes) -> bytes:
        self._ssid = payload[1 : 1 + payload[0]]
        self._joined_us = self._now_us() + ASSOCIATION_US
        return b""

    def _wlan_disconnect(self, _: bytes) -> bytes:
        self._joined_us = None
        for connection in self._connections.values():
            self._drop(connection, ECONNABORTED)
        return b""

    def _wlan_status(self, _: bytes) -> bytes:
        status = self.status()
        return struct.pack("<Hb", status, RSSI_DBM if status == STAT_GOT_IP else 0)

    def _resolve(self, payload: bytes) -> bytes:
        host = payload.decode()
        with contextlib.suppress(OSError):
            socket.inet_aton(host)
            return payload
        if self.status() != STAT_GOT_IP:
            raise BoardOSError(ADDRESS_ERROR)
        try:
            return socket.gethostbyname(host).encode()
        except OSError:
            raise BoardOSError(ADDRESS_ERROR) from None

    def _open(self, payload: bytes) -> bytes:
        for handle in range(opcodes.SOCKETS):
            if handle not in self._connections:
                self._connections[handle] = Connection(payload[0])
                return bytes([handle])
        raise BoardOSError(ENFILE)

    def _connect(self, payload: bytes) -> bytes:
        handle, port = struct.unpack_from("<BH", payload)
        connection = self._connection(handle)
        self._require_network()
        real = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        real.setblocking(False)
        real.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(BlockingIOError):
            real.connect((payload[3:].decode(), port))
        connection.real = real
        connection.connecting = True
        self._selector.register(real, selectors.EVENT_READ | selectors.EVENT_WRITE, connection)
        return b""

    def serve(self, connection: Connection) -> None:
        """The selector says this connection's real socket has news."""
        real = connection.real
        if real is None:
            return
        if connection.connecting:
            error = real.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            connection.connecting = False
            if error:
                self._drop(connection, ECONNREFUSED)
                return
            self._selector.modify(real, selectors.EVENT_READ, connection)
        if connection.waiting >= RECEIVE_LIMIT:
            self._selector.unregister(real)  # the window is full; _receive opens it again
            return
        try:
            data = real.recv(RECEIVE_LIMIT - connection.waiting)
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection, ECONNRESET)
            return
        if not data:
            connection.ended = True
            self._selector.unregister(real)
            return
        connection.inbox.append(("", 0, data))
        connection.waiting += len(data)
        self.bytes_received += len(data)

    def _send(self, payload: bytes) -> bytes:
        connection = self._connection(payload[0])
        data = payload[1:]
        if connection.error:
            raise BoardOSError(connection.error)
        if connection.real is None or not self.in_reach:
            raise BoardOSError(ENOTCONN)
        try:
            count = connection.real.send(data) if data else 0
        except BlockingIOError:
            raise BoardOSError(EAGAIN) from None
        except OSError:
            self._drop(connection, ECONNRESET)
            raise BoardOSError(ECONNRESET) from None
        self._count_sent(data[:count])
        return struct.pack("<H", count)

    def _count_sent(self, data: bytes) -> None:
        self.bytes_sent += len(data)
        if self.on_sent and data:
            self.on_sent(data)

    def _sendto(self, payload: bytes) -> bytes:
        handle, port, length = struct.unpack_from("<BHB", payload)
        host, data = payload[4 : 4 + length].decode(), payload[4 + length :]
        connection = self._connection(handle)
        self._require_network()
        self._count_sent(data)
        if port == NTP_PORT and len(data) >= 48 and self.ntp_offset_s is not None:
            connection.inbox.append((host, port, self._ntp_answer(data)))
        return struct.pack("<H", len(data))

    def _ntp_answer(self, query: bytes) -> bytes:
        """A stratum 2 server's answer (RFC 5905 section 7.3)."""
        now = self._unix_now() + (self.ntp_offset_s or 0.0) + NTP_UNIX
        stamp = struct.pack(">II", int(now) & 0xFFFFFFFF, int(now % 1 * (1 << 32)))
        version = query[0] & 0x38
        head = struct.pack(">BBBbII4s", version | 4, 2, 6, -20, 0, 0, b"\x7f\x00\x00\x01")
        return head + stamp + query[40:48] + stamp + stamp

    def _receive(self, payload: bytes) -> bytes:
        handle, count = struct.unpack("<BH", payload)
        connection = self._connection(handle)
        full = connection.waiting >= RECEIVE_LIMIT
        host, port, data = connection.take(count)
        if full and connection.real is not None and not connection.ended:
            with contextlib.suppress(KeyError):
                self._selector.register(connection.real, selectors.EVENT_READ, connection)
        return struct.pack("<HB", port, len(host)) + host.encode() + data

    def _drop(self, connection: Connection, error: int) -> None:
        connection.error = error
        if connection.real is not None:
            with contextlib.suppress(KeyError):
                self._selector.unregister(connection.real)
            connection.real.close()
            connection.real = None

    def _close(self, handle: int) -> bytes:
        connection = self._connections.pop(handle, None)
        if connection is not None:
            self._drop(connection, ENOTCONN)
        return b""

    def handlers(self) -> dict[int, Callable[[bytes], bytes]]:
        """Opcode -> what answers it."""
        return {
            opcodes.WLAN_ACTIVE: self._wlan_active,
            opcodes.WLAN_CONNECT: self._wlan_connect,
            opcodes.WLAN_DISCONNECT: self._wlan_disconnect,
            opcodes.WLAN_STATUS: self._wlan_status,
            opcodes.WLAN_SCAN: lambda _: (self._ssid or b"street") if self.in_reach else b"",
            opcodes.NET_RESOLVE: self._resolve,
            opcodes.SOCKET_OPEN: self._open,
            opcodes.SOCKET_CONNECT: self._connect,
            opcodes.SOCKET_SEND: self._send,
            opcodes.SOCKET_SENDTO: self._sendto,
            opcodes.SOCKET_RECEIVE: self._receive,
            opcodes.SOCKET_CLOSE: lambda payload: self._close(payload[0]),
        }
