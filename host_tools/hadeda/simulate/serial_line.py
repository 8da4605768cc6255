"""The serial cable to an emulated board in virtual time: mpremote's own transport, with nothing that waits in between.

What a pseudo-terminal does is done in turns: what is typed lies before the board, then the board lives until it has
nothing more to do but wait for the next byte. So provisioning is the program that a technician runs, byte by byte, and
still the same from one run to the next.
"""

from mpremote.transport_serial import SerialTransport  # type: ignore[import-untyped]

from hadeda.emulator.board import EmulatedBoard
from hadeda.errors import EmulatorError
from hadeda.provision.port import NodePort
from hadeda.simulate.clock import SimulatedTime

PATIENCE_US = 600_000_000  # board time without a byte after which nothing more will come
NAME = "the simulated cable"


class SimulatedSerial:
    """The part of pyserial's Serial that mpremote uses, over a board that this thread moves."""

    def __init__(self, board: EmulatedBoard, clock: SimulatedTime) -> None:
        self._board = board
        self._clock = clock
        self._unread = bytearray()
        board.console.on_output = self._unread.extend

    def write(self, data: bytes) -> int:
        """Type; the board has then read it, and answered what it had to."""
        self._board.type(bytes(data))
        self._clock.held = True
        self._board.step()
        self._clock.held = False
        self._let_live(0)
        return len(data)

    def inWaiting(self) -> int:
        """How many bytes can be read; the board lives on for it where there are none."""
        self._let_live(1)
        return len(self._unread)

    def read(self, count: int = 1) -> bytes:
        """At most so many bytes, fewer where no more come."""
        self._let_live(count)
        found = bytes(self._unread[:count])
        del self._unread[:count]
        return found

    def _let_live(self, wanted: int) -> None:
        """Until the board waits for more to be typed, or has printed what is wanted and waits for something else."""
        board = self._board
        until_us = self._clock.now_us() + PATIENCE_US
        while True:
            board.compute()
            board.console.take()
            if board.waits_for_typing or len(self._unread) >= wanted or self._clock.now_us() >= until_us:
                return
            if not board.powered:
                raise EmulatorError("the board lost its power at the cable", "let it keep its power there")
            board.step()

    def close(self) -> None:
        """Unplug."""
        self._board.console.on_output = None


class SimulatedTransport(SerialTransport):  # type: ignore[misc]
    """mpremote's transport as it is, over a simulated cable."""

    def __init__(self, board: EmulatedBoard, clock: SimulatedTime) -> None:
        # What SerialTransport's own constructor sets, but for the port that it opens
        self.in_raw_repl = False
        self.use_raw_paste = True
        self.device_name = NAME
        self.mounted = False
        self.is_pty = False
        self.serial = SimulatedSerial(board, clock)


def plugged_in(board: EmulatedBoard, clock: SimulatedTime) -> NodePort:
    """The board's port, in raw REPL and freshly reset, for everything in hadeda/provision. `clock` is the board's."""
    transport = SimulatedTransport(board, clock)
    transport.serial.write(b"")  # it boots
    transport.enter_raw_repl(soft_reset=True)
    return NodePort(NAME, transport)
