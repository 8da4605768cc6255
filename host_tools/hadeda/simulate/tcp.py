"""One TCP connection of a board in virtual time, as both ends see it: in order, sent again when lost, or given up.

What TCP cannot hide is modelled: segments take their time, a lost one holds up those behind it, a peer that vanished is
found out late or never, a connection is refused or reset. Checksums, windows and congestion are not.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from hadeda.emulator.errors import EAGAIN, ECONNABORTED, ECONNREFUSED, ECONNRESET, ENOTCONN, BoardOSError
from hadeda.emulator.network import Connection
from hadeda.simulate.agenda import Agenda

SEND_LIMIT: Final = 5744  # lwIP's TCP_SND_BUF on the ESP32: bytes sent and not acknowledged
RETRY_US: Final = 1_500_000  # the first time; doubled each time
RETRIES_MAX: Final = 7  # six minutes without an answer


class Peer(Protocol):
    """The server's end."""

    def feed(self, data: bytes) -> None:
        """Bytes have arrived."""
        ...

    def ended(self) -> None:
        """The other side has closed the connection."""
        ...

    def lost(self) -> None:
        """It was reset, or nobody answers any more."""
        ...


class Outlet(Protocol):
    """What a server does with its end."""

    def send(self, data: bytes) -> None:
        """Send bytes to the other side."""
        ...

    def close(self) -> None:
        """Close it properly."""
        ...

    def reset(self) -> None:
        """Close it with a reset."""
        ...


class Server(Protocol):
    """Somebody who may accept connections. `silent`: its computer is off, so nothing is even refused."""

    silent: bool

    def accept(self, outlet: Outlet) -> Peer | None:
        """The end for a new connection; None refuses it."""
        ...

    def knows(self, peer: Peer) -> bool:
        """Whether it still has this connection; a server that was restarted does not."""
        ...


class NodeEnd(Connection):
    """The board's end of a connection, or one of its UDP sockets."""

    def __init__(self, kind: int) -> None:
        super().__init__(kind)
        self.link: Link | None = None
        self.established = False
        self.unacknowledged = 0

    @property
    def writable(self) -> bool:
        return not self.stream or bool(self.error) or (self.established and self.unacknowledged < SEND_LIMIT)

    @property
    def linked(self) -> bool:
        return self.link is not None and not self.error


@dataclass
class _Segment:
    deliver: Callable[[], None]
    arrived: bool = False


class Direction:
    """One half of a connection. `transit(now)` says how long a segment takes, None that it is lost."""

    def __init__(
        self, agenda: Agenda, who: int, transit: Callable[[int], int | None], give_up: Callable[[], None]
    ) -> None:
        self._agenda = agenda
        self._who = who
        self._transit = transit
        self._give_up = give_up
        self._segments: deque[_Segment] = deque()
        self._cut = False

    def send(self, at_us: int, deliver: Callable[[], None]) -> None:
        """`deliver` is called when the segment and all before it have arrived."""
        segment = _Segment(deliver)
        self._segments.append(segment)
        self._try(segment, at_us, 0)

    def cut(self) -> None:
        """Nothing that is on its way arrives any more."""
        self._cut = True

    def _try(self, segment: _Segment, at_us: int, retries: int) -> None:
        if self._cut:
            return
        took_us = self._transit(at_us)
        if took_us is not None:
            self._agenda.at(at_us + took_us, self._who, lambda: self._arrive(segment))
        elif retries == RETRIES_MAX:
            self._give_up()
        else:
            again_us = at_us + (RETRY_US << retries)
            self._agenda.at(again_us, self._who, lambda: self._try(segment, self._agenda.now_us, retries + 1))

    def _arrive(self, segment: _Segment) -> None:
        segment.arrived = True
        while self._segments and self._segments[0].arrived and not self._cut:
            self._segments.popleft().deliver()


class Link:
    """A connection from `node` to `server`, from the first SYN on. `notify` says that something changed for the node.

    The server's end is an Outlet: `send`, `close` and `reset` are the server's doing.
    """

    def __init__(
        self,
        agenda: Agenda,
        who: int,
        node: NodeEnd,
        server: Server,
        transit: Callable[[bool, int], int | None],
        notify: Callable[[], None],
    ) -> None:
        self._agenda = agenda
        self._node = node
        self._server = server
        self._notify = notify
        self._peer: Peer | None = None
        self._up = Direction(agenda, who, lambda at_us: self._sees(transit(True, at_us)), self._node_gives_up)
        self._down = Direction(agenda, who, lambda at_us: transit(False, at_us), self._server_gives_up)

    def _sees(self, took_us: int | None) -> int | None:
        return None if self._server.silent else took_us

    # --- the node's doing --------------------------------------------------------------------------------------

    def open(self, at_us: int) -> None:
        """Send the SYN."""
        self._up.send(at_us, self._knock)

    def send_up(self, at_us: int, data: bytes) -> int:
        """How many bytes the node's stack took."""
        room = SEND_LIMIT - self._node.unacknowledged
        if not self._node.established:
            raise BoardOSError(ENOTCONN)
        if room <= 0 and data:
            raise BoardOSError(EAGAIN)
        taken = bytes(data[:room])
        if taken:
            self._node.unacknowledged += len(taken)
            self._up.send(at_us, lambda: self._arrive_up(taken))
        return len(taken)

    def close_up(self, at_us: int) -> None:
        """The node closes: a FIN, and whatever comes down is not for it any more."""
        self._down.cut()
        self._up.send(at_us, self._end_up)

    def sever(self) -> None:
        """Somebody on the way resets it, towards both ends."""
        self._server_gives_up()
        self._down.cut()
        self._fail(ECONNRESET)

    def vanish(self) -> None:
        """The node is gone, without a word."""
        self._up.cut()

    # --- what arrives at the server ----------------------------------------------------------------------------

    def _knock(self) -> None:
        self._peer = self._server.accept(self)
        answer = self._establish if self._peer is not None else lambda: self._fail(ECONNREFUSED)
        self._down.send(self._agenda.now_us, answer)

    def _arrive_up(self, data: bytes) -> None:
        if self._peer is None or not self._server.knows(self._peer):
            self.reset()
            return
        self._down.send(self._agenda.now_us, lambda: self._acknowledge(len(data)))
        self._peer.feed(data)

    def _end_up(self) -> None:
        if self._peer is not None and self._server.knows(self._peer):
            self._peer.ended()

    def _server_gives_up(self) -> None:
        if self._peer is not None and self._server.knows(self._peer):
            self._peer.lost()

    # --- what arrives at the node ------------------------------------------------------------------------------

    def _establish(self) -> None:
        self._node.established = True
        self._notify()

    def _acknowledge(self, count: int) -> None:
        self._node.unacknowledged -= count
        self._notify()

    def _fail(self, error: int) -> None:
        if not self._node.error:
            self._node.error = error
            self._up.cut()
            self._notify()

    def _node_gives_up(self) -> None:
        self._fail(ECONNABORTED)

    def _arrive_down(self, data: bytes) -> None:
        if not self._node.error:
            self._node.put("", 0, data)
            self._notify()

    def _end_down(self) -> None:
        self._node.ended = True
        self._notify()

    # --- the server's doing ------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        self._down.send(self._agenda.now_us, lambda: self._arrive_down(data))

    def close(self) -> None:
        self._down.send(self._agenda.now_us, self._end_down)

    def reset(self) -> None:
        self._down.send(self._agenda.now_us, lambda: self._fail(ECONNRESET))
