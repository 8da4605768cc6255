"""The simulated network, seen through the board's radio: everything takes its time, and goes wrong as real ones do."""

from __future__ import annotations

import socket
import struct

import pytest

from hadeda.emulator.clock import VirtualTime
from hadeda.emulator.errors import (
    EAGAIN,
    ECONNABORTED,
    ECONNREFUSED,
    ECONNRESET,
    BoardOSError,
)
from hadeda.emulator.network import ADDRESS_ERROR, NTP_UNIX
from hadeda.emulator.radio import ASSOCIATION_US, Radio
from hadeda.emulator.surface import opcodes
from hadeda.simulate.agenda import Agenda
from hadeda.simulate.faults import Faults
from hadeda.simulate.network import NOT_RESOLVED_US, SimulatedNetwork
from hadeda.simulate.tcp import RETRIES_MAX, RETRY_US, SEND_LIMIT, Outlet, Peer

START_S = 1_654_041_600.25
ONE_WAY_US = 10_000
PORT = 1883


class Weather(Faults):
    """Ten milliseconds one way, until a test says otherwise."""

    def __init__(self) -> None:
        super().__init__(7, 1, 0)
        self.lose_up = self.lose_down = 0  # so many of the next segments
        self.copies = [ONE_WAY_US]
        self.names = True
        self.took: list[int] = []  # of the next segments that come down

    def segment(self, board: int, at_us: int, up: bool) -> int | None:  # noqa: ARG002
        if up and self.lose_up:
            self.lose_up -= 1
            return None
        if not up and self.lose_down:
            self.lose_down -= 1
            return None
        return self.took.pop(0) if self.took and not up else ONE_WAY_US

    def datagram(self, board: int, at_us: int, up: bool) -> list[int]:  # noqa: ARG002
        return [ONE_WAY_US] if up else self.copies

    def resolves(self, board: int, at_us: int, host: str) -> bool:  # noqa: ARG002
        return self.names


class Host:
    """A server that remembers what it got. It forgets its connections when it is restarted."""

    def __init__(self) -> None:
        self.silent = self.refusing = False
        self.outlet: Outlet | None = None
        self.got = b""
        self.over: list[str] = []

    def accept(self, outlet: Outlet) -> Peer | None:
        if self.refusing:
            return None
        self.outlet = outlet
        return self

    def knows(self, peer: Peer) -> bool:  # noqa: ARG002
        return self.outlet is not None

    def feed(self, data: bytes) -> None:
        self.got += data

    def ended(self) -> None:
        self.over.append("ended")

    def lost(self) -> None:
        self.over.append("lost")


class Street:
    """A radio, joined, whose time a test moves."""

    def __init__(self) -> None:
        self.clock, self.agenda, self.faults, self.host = VirtualTime(), Agenda(), Weather(), Host()
        self.wire: list[tuple[int, bool, bytes]] = []
        self.network = SimulatedNetwork(
            0,
            self.clock,
            self.agenda,
            {PORT: self.host},
            self.faults,
            START_S,
            lambda _board, at_us, up, data: self.wire.append((at_us, up, data)),
        )
        self.radio = Radio(self.network, self.clock.now_us)
        self.network.in_air = self.radio.in_air
        self._handlers = self.radio.handlers()
        self.ask(opcodes.WLAN_ACTIVE, b"\1")
        self.ask(opcodes.WLAN_CONNECT, b"\6street\0")
        self.wait(ASSOCIATION_US)

    def ask(self, opcode: int, payload: bytes = b"") -> bytes:
        return self._handlers[opcode](payload)

    def wait(self, us: int) -> None:
        until_us = self.clock.now_us() + us
        while (next_us := self.agenda.next_us) is not None and next_us <= until_us:
            self.clock.advance(next_us, float("inf"))
            self.agenda.happen()
        self.clock.advance(until_us, float("inf"))
        self.radio.listen()

    def dial(self) -> int:
        handle = self.ask(opcodes.SOCKET_OPEN, bytes([socket.SOCK_STREAM]))[0]
        self.ask(opcodes.SOCKET_CONNECT, struct.pack("<BH", handle, PORT) + b"10.0.0.1")
        return handle

    def talk(self) -> int:
        handle = self.dial()
        self.wait(2 * ONE_WAY_US)
        assert self.writable(handle)
        return handle

    def send(self, handle: int, data: bytes) -> int:
        return int.from_bytes(self.ask(opcodes.SOCKET_SEND, bytes([handle]) + data), "little")

    def receive(self, handle: int, count: int = 100) -> bytes:
        answer = self.ask(opcodes.SOCKET_RECEIVE, struct.pack("<BH", handle, count))
        return answer[3 + answer[2] :]

    def writable(self, handle: int) -> bool:
        return bool(self.radio.ready() >> (opcodes.READY_SOCKET_OUT + handle) & 1)

    def readable(self, handle: int) -> bool:
        return bool(self.radio.ready() >> (opcodes.READY_SOCKET_IN + handle) & 1)

    def error(self, handle: int) -> int:
        with pytest.raises(BoardOSError) as caught:
            self.receive(handle)
        return caught.value.code

    def ask_time(self) -> int:
        handle = self.ask(opcodes.SOCKET_OPEN, bytes([socket.SOCK_DGRAM]))[0]
        self.ask(opcodes.SOCKET_SENDTO, struct.pack("<BHB", handle, 123, 8) + b"10.0.0.1" + bytes([0x23]) + bytes(47))
        return handle


@pytest.fixture
def street() -> Street:
    return Street()


def test_connecting_and_talking_take_a_round_trip(street: Street) -> None:
    handle = street.dial()
    street.wait(2 * ONE_WAY_US - 1)
    assert not street.writable(handle)
    street.wait(1)
    assert street.writable(handle)
    assert street.send(handle, b"hello") == 5
    assert street.host.got == b""
    street.wait(ONE_WAY_US)
    assert street.host.got == b"hello"
    assert street.host.outlet is not None
    street.host.outlet.send(b"welcome")
    assert not street.readable(handle)
    street.wait(ONE_WAY_US)
    assert street.receive(handle, 3) + street.receive(handle) == b"welcome"
    assert [(up, data) for _, up, data in street.wire] == [(True, b"hello"), (False, b"wel"), (False, b"come")]


def test_a_refused_connection(street: Street) -> None:
    street.host.refusing = True
    handle = street.dial()
    street.wait(2 * ONE_WAY_US)
    assert street.error(handle) == ECONNREFUSED


def test_nobody_listens_on_another_port(street: Street) -> None:
    handle = street.ask(opcodes.SOCKET_OPEN, bytes([socket.SOCK_STREAM]))[0]
    street.ask(opcodes.SOCKET_CONNECT, struct.pack("<BH", handle, 80) + b"10.0.0.1")
    assert street.error(handle) == ECONNREFUSED


def test_a_lost_segment_comes_late_and_in_order(street: Street) -> None:
    handle = street.talk()
    street.faults.lose_up = 1
    street.send(handle, b"first ")
    street.send(handle, b"second")
    street.wait(RETRY_US)
    assert street.host.got == b"", "what arrived waits for what was before it"
    street.wait(ONE_WAY_US)
    assert street.host.got == b"first second"


def test_segments_do_not_overtake_each_other(street: Street) -> None:
    handle = street.talk()
    street.faults.took = [5 * ONE_WAY_US, ONE_WAY_US]
    assert street.host.outlet is not None
    street.host.outlet.send(b"slow ")
    street.host.outlet.send(b"fast")
    street.wait(5 * ONE_WAY_US)
    assert street.receive(handle, 5) + street.receive(handle) == b"slow fast"


def test_a_partition_fills_the_buffer_and_ends_the_connection_on_both_sides(street: Street) -> None:
    handle = street.talk()
    street.faults.lose_up = street.faults.lose_down = 1 << 30
    assert street.send(handle, bytes(SEND_LIMIT + 1)) == SEND_LIMIT
    assert not street.writable(handle)
    with pytest.raises(BoardOSError) as caught:
        street.send(handle, b"x")
    assert caught.value.code == EAGAIN
    assert street.host.outlet is not None
    street.host.outlet.send(b"are you there")
    street.wait(RETRY_US << (RETRIES_MAX + 1))
    assert street.error(handle) == ECONNABORTED
    assert street.host.over == ["lost"]


def test_a_short_partition_is_only_a_delay(street: Street) -> None:
    handle = street.talk()
    street.faults.lose_up = 3
    street.send(handle, b"hello")
    street.wait(7 * RETRY_US + ONE_WAY_US)
    assert street.host.got == b"hello"


def test_a_server_that_vanished_is_found_out_at_the_next_word(street: Street) -> None:
    handle = street.talk()
    street.host.outlet = None
    street.wait(3_600_000_000)
    assert street.writable(handle), "half open: nothing tells the node"
    street.send(handle, b"hello")
    street.wait(2 * ONE_WAY_US)
    assert street.error(handle) == ECONNRESET


def test_a_server_that_is_off_says_nothing_at_all(street: Street) -> None:
    street.host.silent = True
    handle = street.dial()
    street.wait(60_000_000)
    assert not street.writable(handle)
    street.host.silent = False
    street.wait(RETRY_US << RETRIES_MAX)
    assert street.writable(handle)


def test_a_node_that_vanished_is_not_missed_until_somebody_writes_to_it(street: Street) -> None:
    street.talk()
    street.radio.reset()
    street.wait(3_600_000_000)
    assert street.host.over == []
    assert street.host.outlet is not None
    street.host.outlet.send(b"are you there")
    street.wait(RETRY_US << (RETRIES_MAX + 1))
    assert street.host.over == ["lost"]


def test_a_closed_connection_is_told_the_peer_after_what_was_sent(street: Street) -> None:
    handle = street.talk()
    street.send(handle, b"goodbye")
    street.ask(opcodes.SOCKET_CLOSE, bytes([handle]))
    street.wait(ONE_WAY_US)
    assert (street.host.got, street.host.over) == (b"goodbye", ["ended"])


def test_the_server_closes_or_resets(street: Street) -> None:
    closed, was_reset = street.talk(), None
    assert street.host.outlet is not None
    street.host.outlet.send(b"bye")
    street.host.outlet.close()
    was_reset = street.talk()
    street.host.outlet.reset()
    street.wait(ONE_WAY_US)
    assert (street.receive(closed), street.receive(closed)) == (b"bye", b"")
    assert street.error(was_reset) == ECONNRESET


def test_names_may_not_be_known(street: Street) -> None:
    assert street.ask(opcodes.NET_RESOLVE, b"broker.example") == b"10.0.0.1"
    street.faults.names = False
    before_us = street.clock.now_us()
    with pytest.raises(BoardOSError) as caught:
        street.ask(opcodes.NET_RESOLVE, b"broker.example")
    assert caught.value.code == ADDRESS_ERROR
    assert street.clock.now_us() - before_us == NOT_RESOLVED_US


def test_the_time_server_tells_the_worlds_time_at_the_moment_it_was_asked(street: Street) -> None:
    street.network.ntp_offset_s = 100.0
    asked_us = street.clock.now_us()
    handle = street.ask_time()
    street.wait(2 * ONE_WAY_US - 1)
    assert not street.readable(handle)
    street.wait(1)
    told = struct.unpack_from(">II", street.receive(handle), 40)
    assert told[0] - NTP_UNIX + told[1] / (1 << 32) == pytest.approx(
        START_S + 100 + (asked_us + ONE_WAY_US) / 1e6, abs=1e-3
    )


def test_datagrams_are_lost_doubled_and_swapped(street: Street) -> None:
    street.faults.copies = []
    lost = street.ask_time()
    street.wait(1_000_000)
    assert not street.readable(lost)
    street.faults.copies = [ONE_WAY_US, 3 * ONE_WAY_US]
    doubled = street.ask_time()
    street.wait(4 * ONE_WAY_US)
    assert len(street.receive(doubled)) == len(street.receive(doubled)) == 48
    assert not street.readable(doubled)
    street.faults.copies = [5 * ONE_WAY_US]
    late = street.ask_time()
    street.faults.copies = [ONE_WAY_US]
    street.wait(ONE_WAY_US // 2)
    early = street.ask_time()
    street.faults.copies = [
        5 * ONE_WAY_US
    ]  # asked when the question arrives, so the first one's answer is the slow one
    street.wait(ONE_WAY_US // 2)
    street.faults.copies = [ONE_WAY_US]
    street.wait(2 * ONE_WAY_US)
    assert street.readable(early)
    assert not street.readable(late)


def test_no_answer_from_the_time_server(street: Street) -> None:
    street.network.ntp_offset_s = None
    handle = street.ask_time()
    street.wait(10_000_000)
    assert not street.readable(handle)


def test_nothing_reaches_a_node_that_left_the_air(street: Street) -> None:
    handle = street.ask_time()
    street.radio.lose_reach()
    street.wait(10_000_000)
    assert street.error(handle) == ECONNABORTED
