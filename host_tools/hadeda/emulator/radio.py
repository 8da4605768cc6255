"""The board's Wi-Fi: one access point, the chip's sockets, and a network behind it (network.py)."""

import contextlib
import socket
import struct
from collections.abc import Callable

from hadeda.emulator.errors import ECONNABORTED, EHOSTUNREACH, ENFILE, ENOTCONN, BoardOSError
from hadeda.emulator.network import ADDRESS_ERROR, Connection, Network
from hadeda.emulator.surface import opcodes

STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP, STAT_NO_AP_FOUND = 1000, 1001, 1010, 201
ASSOCIATION_US = 1_500_000  # scan, WPA2 handshake and DHCP: an ordinary ESP32 needs one to three seconds
RSSI_DBM = -61
OnSent = Callable[[bytes], None]


class Radio:
    """`lose_reach` and `regain_reach` make a blackout; `on_sent` is told every byte that goes out."""

    def __init__(self, network: Network, now_us: Callable[[], int]) -> None:
        self.network = network
        self._now_us = now_us
        self.in_reach = True
        self.on_sent: OnSent | None = None
        self._on = False
        self._on_since_us = self._on_before_us = 0
        self.sessions = 0  # how often it was switched on
        self.sent_bytes = 0
        self._joined_us: int | None = None
        self._ssid = b""
        self._connections: dict[int, Connection] = {}

    @property
    def ntp_offset_s(self) -> float | None:
        """What the network's time server is off by; None: it does not answer."""
        return self.network.ntp_offset_s

    @ntp_offset_s.setter
    def ntp_offset_s(self, seconds: float | None) -> None:
        self.network.ntp_offset_s = seconds

    @property
    def online(self) -> bool:
        """Whether a peer may be about to answer."""
        return any(connection.linked for connection in self._connections.values())

    @property
    def sockets(self) -> int:
        """How many the program has open."""
        return len(self._connections)

    @property
    def on_us(self) -> int:
        """How long it has been on in all."""
        return self._on_before_us + (self._now_us() - self._on_since_us if self._on else 0)

    def _switch(self, on: bool) -> None:
        if on and not self._on:
            self._on_since_us = self._now_us()
            self.sessions += 1
        elif self._on and not on:
            self._on_before_us = self.on_us
        self._on = on

    def reset(self) -> None:
        """The chip was reset: no radio, no sockets."""
        self._switch(False)
        self._joined_us = None
        for connection in self._connections.values():
            self.network.drop(connection, ENOTCONN)
        self._connections.clear()

    def status(self) -> int:
        """A network.STAT_ constant."""
        if not self._on or self._joined_us is None:
            return STAT_IDLE
        if not self.in_reach:
            return STAT_NO_AP_FOUND
        return STAT_GOT_IP if self._now_us() >= self._joined_us else STAT_CONNECTING

    def in_air(self) -> bool:
        """Whether it is joined to the access point now."""
        return self.status() == STAT_GOT_IP

    def next_event_us(self) -> int | None:
        """When the association will be through, or something arrives."""
        arrives_us = self.network.next_event_us()
        joined_us = self._joined_us
        if not joined_us or joined_us <= self._now_us():
            return arrives_us
        return joined_us if arrives_us is None else min(joined_us, arrives_us)

    def listen(self) -> None:
        """Take in what has arrived by now."""
        self.network.settle()

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
            self.network.drop(connection, ECONNABORTED)

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
        self._switch(bool(payload[0]))
        return b""

    def _wlan_connect(self, payload: bytes) -> bytes:
        self._ssid = payload[1 : 1 + payload[0]]
        self._joined_us = self._now_us() + ASSOCIATION_US
        return b""

    def _wlan_disconnect(self, _: bytes) -> bytes:
        self._joined_us = None
        for connection in self._connections.values():
            self.network.drop(connection, ECONNABORTED)
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
        return self.network.resolve(host).encode()

    def _open(self, payload: bytes) -> bytes:
        for handle in range(opcodes.SOCKETS):
            if handle not in self._connections:
                self._connections[handle] = self.network.open(payload[0])
                return bytes([handle])
        raise BoardOSError(ENFILE)

    def _connect(self, payload: bytes) -> bytes:
        handle, port = struct.unpack_from("<BH", payload)
        connection = self._connection(handle)
        self._require_network()
        self.network.connect(connection, payload[3:].decode(), port)
        return b""

    def _send(self, payload: bytes) -> bytes:
        connection = self._connection(payload[0])
        if connection.error:
            raise BoardOSError(connection.error)
        if not self.in_reach:
            raise BoardOSError(ENOTCONN)
        count = self.network.send(connection, payload[1:])
        self._tell_sent(payload[1 : 1 + count])
        return struct.pack("<H", count)

    def _tell_sent(self, data: bytes) -> None:
        self.sent_bytes += len(data)
        if self.on_sent and data:
            self.on_sent(data)

    def _sendto(self, payload: bytes) -> bytes:
        handle, port, length = struct.unpack_from("<BHB", payload)
        host, data = payload[4 : 4 + length].decode(), payload[4 + length :]
        connection = self._connection(handle)
        self._require_network()
        self._tell_sent(data)
        self.network.send_datagram(connection, host, port, data)
        return struct.pack("<H", len(data))

    def _receive(self, payload: bytes) -> bytes:
        handle, count = struct.unpack("<BH", payload)
        host, port, data = self.network.receive(self._connection(handle), count)
        return struct.pack("<HB", port, len(host)) + host.encode() + data

    def _close(self, payload: bytes) -> bytes:
        connection = self._connections.pop(payload[0], None)
        if connection is not None:
            self.network.close(connection)
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
            opcodes.SOCKET_CLOSE: self._close,
        }
