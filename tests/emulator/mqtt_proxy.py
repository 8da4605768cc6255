"""A wire between node and broker that loses things, or keeps what went over it. Plain TCP only: it reads MQTT."""

import contextlib
import socket
import threading
from typing import Self

LOCAL = "127.0.0.1"
PUBACK = 4


class Wire:
    """Listens on `port`, passes everything on to `target`; `sent` is what the node said, one entry a connection."""

    def __init__(self, port: int, target: int) -> None:
        self._target = target
        self._listener = socket.create_server((LOCAL, port))
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.sent: list[bytearray] = []

    def answer(self, data: bytes) -> bytes | None:
        """What becomes of bytes from the broker; None hangs up."""
        return data

    def _serve(self) -> None:
        while True:
            try:
                node, _ = self._listener.accept()
            except OSError:
                return
            broker = socket.create_connection((LOCAL, self._target))
            self._sockets += [node, broker]
            self.sent.append(bytearray())
            for work in (self._upwards, self._downwards):
                thread = threading.Thread(target=work, args=(node, broker))
                thread.start()
                self._threads.append(thread)

    def _upwards(self, node: socket.socket, broker: socket.socket) -> None:
        record = self.sent[-1]
        with contextlib.suppress(OSError):
            while data := node.recv(4096):
                record += data
                broker.sendall(data)
        _hang_up(node, broker)

    def _downwards(self, node: socket.socket, broker: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := broker.recv(4096):
                passed = self.answer(data)
                if passed is None:
                    break
                node.sendall(passed)
        _hang_up(node, broker)

    def __enter__(self) -> Self:
        thread = threading.Thread(target=self._serve)
        thread.start()
        self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        _hang_up(*self._sockets)
        for thread in self._threads:
            thread.join()
        for end in self._sockets:
            end.close()


class PubackEater(Wire):
    """Hangs up instead of passing on the first `eat` PUBACKs."""

    def __init__(self, port: int, target: int, eat: int) -> None:
        super().__init__(port, target)
        self._left = eat
        self.eaten = 0

    def answer(self, data: bytes) -> bytes | None:
        if data[0] >> 4 == PUBACK and self._left:
            self._left -= 1
            self.eaten += 1
            return None
        return data


def _hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
