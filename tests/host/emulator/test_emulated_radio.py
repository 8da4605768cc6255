"""The radio: joining takes time, NTP answers with the world's time, the receive window is bounded, links break."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from hadeda.emulator.errors import (
    EAGAIN,
    ECONNABORTED,
    ECONNREFUSED,
    EHOSTUNREACH,
    ENFILE,
    ENOTCONN,
    BoardOSError,
)
from hadeda.emulator.local_network import LocalNetwork
from hadeda.emulator.network import NTP_UNIX, RECEIVE_LIMIT
from hadeda.emulator.radio import (
    ASSOCIATION_US,
    STAT_CONNECTING,
    STAT_GOT_IP,
    STAT_IDLE,
    STAT_NO_AP_FOUND,
    Radio,
)
from hadeda.emulator.surface import opcodes

WORLD_TIME = 1_654_041_600.25


class Air:
    """A radio with hands on its time, spoken to as the board does."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.time_us = 0
        self.radio = Radio(LocalNetwork(self.selector, lambda: WORLD_TIME), lambda: self.time_us)
        self._handlers = self.radio.handlers()

    def ask(self, opcode: int, payload: bytes = b"") -> bytes:
        return self._handlers[opcode](payload)

    def join(self) -> None:
        self.ask(opcodes.WLAN_ACTIVE, b"\1")
        self.ask(opcodes.WLAN_CONNECT, b"\6street\0")
        self.time_us += ASSOCIATION_US

    def serve(self, seconds: float = 0.2) -> None:
        """What the board's loop does with the selector."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            for entry, _ in self.selector.select(left):
                entry.data()

    def open(self, kind: int) -> int:
        return self.ask(opcodes.SOCKET_OPEN, bytes([kind]))[0]

    def connect(self, port: int) -> int:
        handle = self.open(socket.SOCK_STREAM)
        self.ask(opcodes.SOCKET_CONNECT, struct.pack("<BH", handle, port) + b"127.0.0.1")
        self.serve(0.1)
        return handle

    def waiting(self, handle: int) -> int:
        return self.radio._connections[handle].waiting

    def receive(self, handle: int, count: int) -> bytes:
        answer = self.ask(opcodes.SOCKET_RECEIVE, struct.pack("<BH", handle, count))
        return answer[3 + answer[2] :]


@pytest.fixture
def air() -> Iterator[Air]:
    air = Air()
    yield air
    air.radio.reset()
    air.selector.close()


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        yield server


def error_of(air: Air, opcode: int, payload: bytes) -> int:
    with pytest.raises(BoardOSError) as caught:
        air.ask(opcode, payload)
    return caught.value.code


def test_joining_takes_time(air: Air) -> None:
    assert air.radio.status() == STAT_IDLE
    air.ask(opcodes.WLAN_ACTIVE, b"\1")
    air.ask(opcodes.WLAN_CONNECT, b"\6street\0")
    assert air.radio.status() == STAT_CONNECTING
    assert air.radio.next_event_us() == ASSOCIATION_US
    air.time_us = ASSOCIATION_US
    assert air.radio.status() == STAT_GOT_IP
    air.ask(opcodes.WLAN_ACTIVE, b"\0")
    assert air.radio.status() == STAT_IDLE


def test_blackout_and_return(air: Air) -> None:
    air.join()
    air.radio.lose_reach()
    assert air.radio.status() == STAT_NO_AP_FOUND
    air.radio.regain_reach()
    assert air.radio.status() == STAT_CONNECTING
    air.time_us += ASSOCIATION_US
    assert air.radio.status() == STAT_GOT_IP


def test_without_network_nothing_is_reached(air: Air) -> None:
    handle = air.open(socket.SOCK_DGRAM)
    packet = struct.pack("<BHB", handle, 123, 9) + b"10.0.0.1 " + bytes(48)
    assert error_of(air, opcodes.SOCKET_SENDTO, packet) == EHOSTUNREACH
    assert error_of(air, opcodes.SOCKET_CONNECT, struct.pack("<BH", handle, 1) + b"127.0.0.1") == EHOSTUNREACH


def test_ntp_answers_with_the_worlds_time(air: Air) -> None:
    air.join()
    handle = air.open(socket.SOCK_DGRAM)
    query = bytes([0x23]) + bytes(39) + b"mystamp!"
    air.ask(opcodes.SOCKET_SENDTO, struct.pack("<BHB", handle, 123, 8) + b"10.0.0.1" + query)
    answer = air.receive(handle, 48)
    assert answer[0] & 0x3F == 0x24, "version of the question, mode server"
    assert answer[24:32] == b"mystamp!"
    seconds, fraction = struct.unpack(">II", answer[40:48])
    assert seconds - NTP_UNIX + fraction / (1 << 32) == pytest.approx(WORLD_TIME)


def test_ntp_may_be_wrong_or_silent(air: Air) -> None:
    air.join()
    handle = air.open(socket.SOCK_DGRAM)
    query = struct.pack("<BHB", handle, 123, 8) + b"10.0.0.1" + bytes([0x1B]) + bytes(47)
    air.radio.ntp_offset_s = 3600.0
    air.ask(opcodes.SOCKET_SENDTO, query)
    assert struct.unpack_from(">I", air.receive(handle, 48), 40)[0] - NTP_UNIX == int(WORLD_TIME) + 3600
    air.radio.ntp_offset_s = None
    air.ask(opcodes.SOCKET_SENDTO, query)
    assert error_of(air, opcodes.SOCKET_RECEIVE, struct.pack("<BH", handle, 48)) == EAGAIN


def test_stream_goes_both_ways_and_ends(air: Air, peer: socket.socket) -> None:
    air.join()
    handle = air.connect(peer.getsockname()[1])
    there, _ = peer.accept()
    sent: list[bytes] = []
    air.radio.on_sent = sent.append
    assert air.ask(opcodes.SOCKET_SEND, bytes([handle]) + b"to the city") == b"\x0b\0"
    assert there.recv(100) == b"to the city"
    there.sendall(b"to the node")
    there.close()
    air.serve()
    assert air.receive(handle, 6) == b"to the"
    assert air.receive(handle, 100) == b" node"
    assert air.receive(handle, 100) == b""
    assert sent == [b"to the city"]


def test_receive_window_is_bounded(air: Air, peer: socket.socket) -> None:
    air.join()
    handle = air.connect(peer.getsockname()[1])
    there, _ = peer.accept()
    flood = bytes(range(256)) * 200
    sender = threading.Thread(target=there.sendall, args=(flood,))
    sender.start()
    got = b""
    while len(got) < len(flood):
        air.serve(0.02)
        assert air.waiting(handle) <= RECEIVE_LIMIT
        got += air.receive(handle, 1000)
    sender.join()
    there.close()
    assert got == flood


def test_nobody_listens(air: Air, peer: socket.socket) -> None:
    air.join()
    port = peer.getsockname()[1]
    peer.close()
    handle = air.connect(port)
    assert error_of(air, opcodes.SOCKET_SEND, bytes([handle])) == ECONNREFUSED


def test_lost_reach_drops_connections(air: Air, peer: socket.socket) -> None:
    air.join()
    handle = air.connect(peer.getsockname()[1])
    there, _ = peer.accept()
    air.radio.lose_reach()
    assert air.radio.ready() >> (opcodes.READY_SOCKET_IN + handle) & 1, "whoever waits learns of it"
    assert error_of(air, opcodes.SOCKET_SEND, bytes([handle]) + b"x") == ECONNABORTED
    assert error_of(air, opcodes.SOCKET_RECEIVE, struct.pack("<BH", handle, 1)) == ECONNABORTED
    there.close()


def test_sockets_are_few_and_are_given_back(air: Air) -> None:
    handles = [air.open(socket.SOCK_STREAM) for _ in range(opcodes.SOCKETS)]
    assert error_of(air, opcodes.SOCKET_OPEN, bytes([socket.SOCK_STREAM])) == ENFILE
    air.ask(opcodes.SOCKET_CLOSE, bytes([handles[3]]))
    assert air.open(socket.SOCK_STREAM) == handles[3]
    air.radio.reset()
    assert error_of(air, opcodes.SOCKET_SEND, bytes([handles[0]]) + b"x") == ENOTCONN
