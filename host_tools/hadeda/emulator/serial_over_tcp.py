"""The board's serial port over TCP, with the lines that a pseudo-terminal has not: RFC 2217, by pyserial.

DTR and RTS go through the two transistors of a development board (ESP-IDF, "Boot Mode Selection"): RTS alone pulls EN
low, DTR alone pulls GPIO0 low, both together nothing. So esptool resets the board into its loader and out of it. EN
rises slowly, in RISE_S, as if it had a large capacitor: over a network the lines change one after the other.
"""

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

import serial  # type: ignore[import-untyped]
from serial.rfc2217 import PortManager  # type: ignore[import-untyped]

from hadeda.emulator.board import EmulatedBoard
from hadeda.errors import EmulatorError

RISE_S: Final = 0.15
LOOK_S: Final = 0.02
CHUNK: Final = 4096


class Lines:
    """What PortManager takes for the serial port. `hold` is called when EN goes low, `start` when it has risen."""

    baudrate, bytesize, parity, stopbits = 115200, serial.EIGHTBITS, serial.PARITY_NONE, serial.STOPBITS_ONE
    xonxoff = rtscts = break_condition = cts = dsr = ri = cd = False

    def __init__(self, hold: Callable[[], None], start: Callable[[bool], None]) -> None:
        self._hold, self._start = hold, start
        self._dtr = self._rts = False
        self._held = self._boot = self._between = False
        self._risen_s: float | None = None

    @property
    def dtr(self) -> bool:
        return self._dtr

    @dtr.setter
    def dtr(self, asserted: bool) -> None:
        self._dtr = asserted
        self._changed()

    @property
    def rts(self) -> bool:
        return self._rts

    @rts.setter
    def rts(self, asserted: bool) -> None:
        self._rts = asserted
        self._changed()

    def _changed(self) -> None:
        if self._rts and not self._dtr:
            self._risen_s = None
            if not self._held:
                self._held = True
                self._hold()
        elif self._held:
            self._held, self._boot, self._risen_s = False, False, time.monotonic()
            self._between = self._dtr  # RTS is still to follow; a reset alone is decided by now
        self._boot |= self._between and self._dtr and not self._rts

    def look(self) -> None:
        """Start the board where its time has come."""
        if self._risen_s is not None and time.monotonic() - self._risen_s >= RISE_S:
            self._risen_s = None
            self._start(self._boot)

    def reset_input_buffer(self) -> None:
        """Nothing waits here."""

    def reset_output_buffer(self) -> None:
        """Nothing waits here."""


class _Client:
    """One connection, as PortManager wants it."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection = connection

    def write(self, data: bytes) -> None:
        self.connection.sendall(data)


class SerialOverTcp:
    """Serves the pseudo-terminal at `path` to one client at a time, from a thread of its own, until `close`."""

    def __init__(self, path: str, lines: Lines, port: int = 0) -> None:
        self._lines = lines
        self._server = socket.create_server(("127.0.0.1", port))
        self._terminal = os.open(path, os.O_RDWR | os.O_NOCTTY)
        self.url = f"rfc2217://127.0.0.1:{self._server.getsockname()[1]}"
        self._closing = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No more clients."""
        self._closing = True
        self._thread.join()
        self._server.close()
        os.close(self._terminal)

    def _serve(self) -> None:
        client: _Client | None = None
        manager: PortManager | None = None
        while not self._closing:
            self._lines.look()
            ends: list[int | socket.socket] = [self._terminal, self._server if client is None else client.connection]
            ready, _, _ = select.select(ends, [], [], LOOK_S)
            if self._terminal in ready:
                self._to_client(client, manager)
            if client is None and self._server in ready:
                client = _Client(self._server.accept()[0])
                manager = PortManager(self._lines, client)
            elif client is not None and client.connection in ready and not self._from_client(client, manager):
                client.connection.close()
                client = manager = None
        if client is not None:
            client.connection.close()

    def _to_client(self, client: _Client | None, manager: PortManager) -> None:
        data = os.read(self._terminal, CHUNK)  # what comes when nobody is there is lost, as on a cable
        if client is not None:
            with contextlib.suppress(OSError):
                client.write(b"".join(manager.escape(data)))

    def _from_client(self, client: _Client, manager: PortManager) -> bool:
        """False when the client is gone."""
        try:
            data = client.connection.recv(CHUNK)
            typed = b"".join(manager.filter(data))
        except OSError:
            return False
        while typed:
            typed = typed[os.write(self._terminal, typed) :]
        return bool(data)


def serve(board: EmulatedBoard, port: int = 0) -> SerialOverTcp:
    """The serial port of `board` on a TCP port of this computer, 0 for any; `close` it before the board."""
    if board.serial is None:
        raise EmulatorError("a board without a serial port has none to serve", "give it one")
    lines = Lines(lambda: board.soon(board.power_off), lambda boot: board.soon(lambda: board.power_on(boot)))
    try:
        return SerialOverTcp(board.serial.path, lines, port)
    except OSError as error:
        raise EmulatorError(f"TCP port {port} cannot be had: {error.strerror}", "take another") from error
