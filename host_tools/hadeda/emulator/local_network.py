"""This computer's own network behind the access point, through real sockets.

Every UDP port 123 answers as an NTP server that knows the world's time; everything else goes to the named host for
real.
"""

import contextlib
import selectors
import socket
from collections.abc import Callable

from hadeda.emulator.errors import EAGAIN, ECONNREFUSED, ECONNRESET, ENOTCONN, BoardOSError
from hadeda.emulator.network import (
    ADDRESS_ERROR,
    NTP_PORT,
    NTP_SIZE,
    RECEIVE_LIMIT,
    Connection,
    ntp_answer,
)


class RealConnection(Connection):
    """One socket of the board and the real one that does its work, once it is connected to something."""

    def __init__(self, kind: int) -> None:
        super().__init__(kind)
        self.real: socket.socket | None = None
        self.connecting = False

    @property
    def writable(self) -> bool:
        # What went wrong is told to whoever writes
        return bool(self.error) or ((not self.stream or self.real is not None) and not self.connecting)

    @property
    def linked(self) -> bool:
        return self.real is not None and not self.error


class LocalNetwork:
    """`selector` is the board's: a real socket's news are calls in its `data`. `unix_now` is the world's time."""

    def __init__(self, selector: selectors.BaseSelector, unix_now: Callable[[], float]) -> None:
        self.ntp_offset_s: float | None = 0.0
        self._selector = selector
        self._unix_now = unix_now

    def open(self, kind: int) -> RealConnection:
        return RealConnection(kind)

    def resolve(self, host: str) -> str:
        try:
            return socket.gethostbyname(host)
        except OSError:
            raise BoardOSError(ADDRESS_ERROR) from None

    def connect(self, connection: Connection, host: str, port: int) -> None:
        mine = _mine(connection)
        real = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        real.setblocking(False)
        real.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(BlockingIOError):
            real.connect((host, port))
        mine.real, mine.connecting = real, True
        self._selector.register(real, selectors.EVENT_READ | selectors.EVENT_WRITE, lambda: self._serve(mine))

    def _serve(self, connection: RealConnection) -> None:
        """The selector says this connection's real socket has news."""
        real = connection.real
        if real is None:
            return
        if connection.connecting:
            error = real.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            connection.connecting = False
            if error:
                self.drop(connection, ECONNREFUSED)
                return
            self._selector.modify(real, selectors.EVENT_READ, self._selector.get_key(real).data)
        if connection.waiting >= RECEIVE_LIMIT:
            self._selector.unregister(real)  # the window is full; receive() opens it again
            return
        try:
            data = real.recv(RECEIVE_LIMIT - connection.waiting)
        except BlockingIOError:
            return
        except OSError:
            self.drop(connection, ECONNRESET)
            return
        if not data:
            connection.ended = True
            self._selector.unregister(real)
            return
        connection.put("", 0, data)

    def send(self, connection: Connection, data: bytes) -> int:
        real = _mine(connection).real
        if real is None:
            raise BoardOSError(ENOTCONN)
        try:
            return real.send(data) if data else 0
        except BlockingIOError:
            raise BoardOSError(EAGAIN) from None
        except OSError:
            self.drop(connection, ECONNRESET)
            raise BoardOSError(ECONNRESET) from None

    def send_datagram(self, connection: Connection, host: str, port: int, data: bytes) -> None:
        if port == NTP_PORT and len(data) >= NTP_SIZE and self.ntp_offset_s is not None:
            connection.put(host, port, ntp_answer(data, self._unix_now() + self.ntp_offset_s))

    def receive(self, connection: Connection, count: int) -> tuple[str, int, bytes]:
        mine = _mine(connection)
        full = mine.waiting >= RECEIVE_LIMIT
        found = mine.take(count)
        if full and mine.real is not None and not mine.ended:
            with contextlib.suppress(KeyError):
                self._selector.register(mine.real, selectors.EVENT_READ, lambda: self._serve(mine))
        return found

    def close(self, connection: Connection) -> None:
        self.drop(connection, ENOTCONN)

    def drop(self, connection: Connection, error: int) -> None:
        mine = _mine(connection)
        mine.error = error
        if mine.real is not None:
            with contextlib.suppress(KeyError):
                self._selector.unregister(mine.real)
            mine.real.close()
            mine.real = None

    def next_event_us(self) -> int | None:
        return None

    def settle(self) -> None:
        pass


def _mine(connection: Connection) -> RealConnection:
    if not isinstance(connection, RealConnection):
        raise TypeError("a connection of another network")
    return connection
