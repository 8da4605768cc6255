"""The host's end of the board's console: what it prints goes to the serial port, what is typed goes to the board."""

from collections.abc import Callable

from hadeda.emulator.process import Processor
from hadeda.emulator.serial_port import SerialPort
from hadeda.emulator.surface import opcodes

CTRL_C = b"\x03"
KEEP_BYTES = 65536


class Console:
    """`output` keeps the newest of what was printed; `on_output` is told all of it, as it is printed.

    `on_interrupt` is called when a Ctrl-C ends a program's wait.
    """

    def __init__(self, serial: SerialPort | None, on_interrupt: Callable[[], None]) -> None:
        self.output = bytearray()
        self.on_output: Callable[[bytes], None] | None = None
        self._serial = serial
        self._on_interrupt = on_interrupt
        self._processor: Processor | None = None
        self._state = opcodes.CONSOLE_PROMPT

    def connect(self, processor: Processor | None) -> None:
        """The processor that runs from now on, or none."""
        self._processor = processor
        self._state = opcodes.CONSOLE_PROMPT

    @property
    def at_prompt(self) -> bool:
        """Whether the board waits for somebody to type."""
        return self._state == opcodes.CONSOLE_PROMPT

    @property
    def congested(self) -> bool:
        """Whether the line is slower than the board: it has to wait, as for a UART."""
        return self._serial is not None and self._serial.pending

    def take(self) -> None:
        """Pass on what the board has printed."""
        if self._processor is not None:
            self.show(self._processor.output())

    def show(self, data: bytes) -> None:
        """To the serial port, and into `output`."""
        if not data:
            return
        self.output = (self.output + data)[-KEEP_BYTES:]
        if self.on_output is not None:
            self.on_output(data)
        if self._serial is not None:
            self._serial.write(data, binary=self._state == opcodes.CONSOLE_BINARY)

    def type(self, data: bytes) -> None:
        """Bytes from the serial port to the board; a Ctrl-C interrupts the program that runs."""
        while data and self._processor is not None:
            at = data.find(CTRL_C) if self._state == opcodes.CONSOLE_PROGRAM else -1
            head, data = (data, b"") if at < 0 else (data[:at], data[at + 1 :])
            self._processor.type(head)
            if at >= 0:
                self._processor.interrupt()
                self._on_interrupt()

    def _on_state(self, payload: bytes) -> bytes:
        self.take()  # what was printed before belongs to the state before
        self._state = payload[0]
        return b""

    def handlers(self) -> dict[int, Callable[[bytes], bytes]]:
        """Opcode -> what answers it."""
        return {opcodes.CONSOLE: self._on_state}
