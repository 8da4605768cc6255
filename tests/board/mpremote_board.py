"""A board at the end of a serial port, spoken to by unmodified mpremote only; and emulated ones to plug in."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mpremote.transport_serial import SerialTransport

from hadeda.board import load
from hadeda.emulator.board import EmulatedBoard
from hadeda.emulator.serial_port import SerialPort
from hadeda.scenario import World

TIMEOUT_S = 30


@dataclass
class PortedBoard:
    """`emulated` is None for hardware."""

    port: str
    emulated: EmulatedBoard | None = None

    def mpremote(self, *arguments: str | Path, timeout: float = TIMEOUT_S) -> subprocess.CompletedProcess[str]:
        """Run `mpremote connect PORT ...`; says nothing about its success."""
        command = [sys.executable, "-m", "mpremote", "connect", self.port, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)

    def ask(self, *arguments: str | Path, timeout: float = TIMEOUT_S) -> str:
        """The output of an mpremote command that must succeed."""
        done = self.mpremote(*arguments, timeout=timeout)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def exec(self, program: str, timeout: float = TIMEOUT_S) -> str:
        """Soft reset, then run a program; its output."""
        return self.ask("exec", program, timeout=timeout)

    @contextmanager
    def raw_repl(self) -> Iterator[SerialTransport]:
        """mpremote as a library, in the raw REPL after a soft reset."""
        transport = SerialTransport(self.port)
        try:
            transport.enter_raw_repl()
            yield transport
            transport.exit_raw_repl()
        finally:
            transport.close()


@contextmanager
def powered(
    name: str,
    flash_file: Path | None = None,
    prepare: Callable[[EmulatedBoard], None] | None = None,
    stock_partitions: bool = False,
) -> Iterator[PortedBoard]:
    """An emulated board in real time, running in a thread of its own. `prepare` may rewire it before power-up."""
    serial = SerialPort()
    emulated = EmulatedBoard(
        load(name), World(), flash_file=flash_file, serial=serial, stock_partitions=stock_partitions
    )
    if prepare:
        prepare(emulated)
    emulated.power_on()
    thread = threading.Thread(target=emulated.run, name=f"emulated {name}")
    thread.start()
    try:
        yield PortedBoard(serial.path, emulated)
    finally:
        emulated.stop()
        thread.join()
        emulated.close()
