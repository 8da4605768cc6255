"""The simulated network behind a board's access point: names, time, and TCP to the city, all in virtual time.

No sockets, no threads, no clock on the wall. TLS is left out: a simulated node's configuration has no `ca`, and the
network carries its MQTT in the clear. The tests in tests/emulator, with real sockets and a real broker, have TLS.
"""

from collections.abc import Callable, Mapping
from typing import Final

from hadeda.emulator.clock import Clock
from hadeda.emulator.errors import ECONNREFUSED, ENOTCONN, BoardOSError
from hadeda.emulator.network import ADDRESS_ERROR, NTP_PORT, NTP_SIZE, Connection, ntp_answer
from hadeda.simulate.agenda import Agenda
from hadeda.simulate.faults import Faults
from hadeda.simulate.tcp import Link, NodeEnd, Server

RESOLVING_US: Final = 30_000
NOT_RESOLVED_US: Final = 4_000_000  # lwIP asks its name servers four times, a second apart
ADDRESS: Final = "10.0.0.1"  # of every host there is: services differ by port

OnWire = Callable[[int, int, bool, bytes], None]  # board, microseconds, up, bytes


class SimulatedNetwork:
    """What `board`, with `clock`, finds behind its access point; the world's time began at `start_s`.

    `servers` listen by port, on every host.
    `in_air` says whether its radio is up; whoever builds the board sets it. `on_wire` is told every byte.
    """

    def __init__(
        self,
        board: int,
        clock: Clock,
        agenda: Agenda,
        servers: Mapping[int, Server],
        faults: Faults,
        start_s: float,
        on_wire: OnWire,
    ) -> None:
        self.ntp_offset_s: float | None = 0.0
        self.in_air: Callable[[], bool] = lambda: True
        self._board = board
        self._clock = clock
        self._agenda = agenda
        self._servers = servers
        self._faults = faults
        self._start_s = start_s
        self._on_wire = on_wire
        self._news_us: int | None = None

    # --- what the radio asks -----------------------------------------------------------------------------------

    def open(self, kind: int) -> Connection:
        return NodeEnd(kind)

    def resolve(self, host: str) -> str:  # the port's getaddrinfo blocks
        if not self._faults.resolves(self._board, self._clock.now_us(), host):
            self._clock.spend(NOT_RESOLVED_US)
            raise BoardOSError(ADDRESS_ERROR)
        self._clock.spend(RESOLVING_US)
        return ADDRESS

    def connect(self, connection: Connection, host: str, port: int) -> None:  # noqa: ARG002
        node = _mine(connection)
        server = self._servers.get(port)
        if server is None:
            node.error = ECONNREFUSED
            return
        node.link = Link(self._agenda, self._board, node, server, self._transit, self._notify)
        node.link.open(self._clock.now_us())

    def send(self, connection: Connection, data: bytes) -> int:
        node = _mine(connection)
        if node.link is None:
            raise BoardOSError(ENOTCONN)
        count = node.link.send_up(self._clock.now_us(), data)
        if count:
            self._on_wire(self._board, self._clock.now_us(), True, data[:count])
            if self._faults.severs(self._board, self._clock.now_us()):
                self._agenda.at(self._clock.now_us(), self._board, node.link.sever)
        return count

    def send_datagram(self, connection: Connection, host: str, port: int, data: bytes) -> None:
        now_us = self._clock.now_us()
        self._on_wire(self._board, now_us, True, data)
        if port == NTP_PORT and len(data) >= NTP_SIZE:
            for took_us in self._faults.datagram(self._board, now_us, True):
                self._agenda.at(
                    now_us + took_us, self._board, lambda: self._tell_time(_mine(connection), host, port, data)
                )

    def receive(self, connection: Connection, count: int) -> tuple[str, int, bytes]:
        found = connection.take(count)
        self._on_wire(self._board, self._clock.now_us(), False, found[2])
        return found

    def close(self, connection: Connection) -> None:
        node = _mine(connection)
        if node.link is not None and not node.error:
            node.link.close_up(self._clock.now_us())
        node.error = node.error or ENOTCONN

    def drop(self, connection: Connection, error: int) -> None:
        node = _mine(connection)
        node.error = error
        if node.link is not None:
            node.link.vanish()

    def next_event_us(self) -> int | None:
        return self._news_us

    def settle(self) -> None:
        self._news_us = None

    # --- what the network does ---------------------------------------------------------------------------------

    def _transit(self, up: bool, at_us: int) -> int | None:
        took_us = self._faults.segment(self._board, at_us, up)
        return took_us if self.in_air() else None

    def _notify(self) -> None:
        if self._news_us is None:
            self._news_us = self._agenda.now_us

    def _tell_time(self, node: NodeEnd, host: str, port: int, query: bytes) -> None:
        """The question has reached the time server."""
        now_us = self._agenda.now_us
        if self.ntp_offset_s is None:
            return
        answer = ntp_answer(query, self._start_s + now_us / 1e6 + self.ntp_offset_s)
        for took_us in self._faults.datagram(self._board, now_us, False):
            self._agenda.at(now_us + took_us, self._board, lambda: self._arrive(node, host, port, answer))

    def _arrive(self, node: NodeEnd, host: str, port: int, data: bytes) -> None:
        if self.in_air() and not node.error:
            node.put(host, port, data)
            self._notify()


def _mine(connection: Connection) -> NodeEnd:
    if not isinstance(connection, NodeEnd):
        raise TypeError("a connection of another network")
    return connection
