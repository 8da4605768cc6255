"""An emulated board: one MicroPython process at a time, and everything a processor finds around itself.

The board and this loop take turns: the process computes, asks (`surface/opcodes.py`), and waits for the answer. Only
while it sleeps does board time pass, so in virtual time the same seed gives the same bytes. Faults (power cut, hung bus,
lost radio) are switched on from outside through the parts: `flash`, `wiring`, `radio`.
"""

import hashlib
import json
import os
import random
import selectors
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hadeda.board import Board
from hadeda.board.partitions import stock
from hadeda.board.schema import I2cBus
from hadeda.emulator import interpreter
from hadeda.emulator.clock import Clock, RealTime
from hadeda.emulator.errors import EINVAL, BoardOSError
from hadeda.emulator.flash import Flash
from hadeda.emulator.nvs import Nvs
from hadeda.emulator.process import Processor
from hadeda.emulator.radio import Connection, Radio
from hadeda.emulator.serial_port import SerialPort
from hadeda.emulator.surface import opcodes
from hadeda.emulator.wiring import Wiring
from hadeda.errors import EmulatorError
from hadeda.scenario import World

POWER_ON, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
UNIX_2000 = 946_684_800
TICKS_MASK = 0x3FFFFFFF
CTRL_C = 3
HUNG_S = 60.0  # real seconds without a request, in virtual time, until a fed watchdog counts as starved


@dataclass
class Sleep:
    """The board waits for `until_us`, or for a ready bit outside `seen`."""

    until_us: int
    seen: int


class EmulatedBoard:
    """`start_s`: the world's time at power-up. `seed` fixes everything random on the board; None takes real randomness.

    Call `power_on`, then `run` until done (from one thread), then `close`.
    """

    def __init__(
        self,
        board: Board,
        world: World,
        *,
        seed: int | None = None,
        clock: Clock | None = None,
        start_s: float | None = None,
        flash_file: Path | None = None,
        serial: SerialPort | None = None,
    ) -> None:
        self.board = board
        self.interpreter = interpreter.find()
        self.clock = clock or RealTime()
        if not self.interpreter.exact and not self.clock.real_time:
            raise EmulatorError("virtual time needs the interpreter that ./run builds", "run ./run setup, or use real time")
        self.start_s = world.start_s if start_s is None else start_s
        self.flash = Flash(board.flash_mb << 20, flash_file)
        self.partitions = stock(board.flash_mb)
        self.nvs = Nvs(self.flash, next(p for p in self.partitions if p.label == "nvs"))
        self.selector = selectors.DefaultSelector()
        self.radio = Radio(self.selector, self.clock.now_us, self.now)
        self.wiring = Wiring(board, world, seed or 0, self.now, self.clock.spend)
        self.serial = serial
        self.resets: list[int] = []
        self.output = bytearray()  # the newest console output, for tests and for those without a serial port
        self._random = random.Random(seed) if seed is not None else None
        self._mac = b"\x24\x0a\xc4" + hashlib.sha256(f"{board.name} {seed}".encode()).digest()[:3]
        self._processor: Processor | None = None
        self._asleep: Sleep | None = None
        self._wake_us: int | None = None  # deep sleep ends then
        self._wake_pipe = os.pipe()
        self._stopping = False
        self.selector.register(self._wake_pipe[0], selectors.EVENT_READ, self._on_wake)
        if serial is not None:
            self.selector.register(serial, selectors.EVENT_READ, self._on_typed)
        self._handlers = self._all_handlers()
        self._power_down_state()

    def now(self) -> float:
        """The world's time in seconds."""
        return self.start_s + self.clock.now_us() / 1e6

    # --- power -------------------------------------------------------------------------------------------------

    def _power_down_state(self) -> None:
        """What only a supplied chip remembers."""
        self._rtc_zero_us = self.clock.now_us()
        self._rtc_memory = b""
        self._wdt_ms: int | None = None
        self._wdt_due_us = 0

    def power_on(self) -> None:
        """Plug it in."""
        self._power_down_state()
        self._start(POWER_ON)

    def power_off(self) -> None:
        """Pull the plug: RAM, RTC memory and clock are gone, flash stays as it is."""
        self._stop_processor()
        self._wake_us = None
        self.radio.reset()
        self._power_down_state()

    def _start(self, cause: int, raw_repl: bool = False, wake_reason: int = 0) -> None:
        self.resets.append(cause)
        self._raw_repl = raw_repl
        self._wake_reason = wake_reason
        self._interruptible = False
        self._wake_us = None
        self._boot_us = self.clock.now_us() if cause != SOFT_RESET else self._boot_us
        self.nvs.restart()
        self._processor = Processor(self.interpreter, self.board.budgets.heap_kb * 1024)
        self._heard_from = time.monotonic()
        self.selector.register(self._processor.wire, selectors.EVENT_READ, self._on_request)
        self.selector.register(self._processor.console_out, selectors.EVENT_READ, self._on_printed)

    def _stop_processor(self) -> None:
        processor, self._processor = self._processor, None
        self._asleep = None
        if processor is not None:
            self.selector.unregister(processor.wire)
            self.selector.unregister(processor.console_out)
            self._print(processor.kill())

    def _reset(self, cause: int, raw_repl: bool = False) -> None:
        self._stop_processor()
        self.radio.reset()
        if cause != SOFT_RESET:
            self._wdt_ms = None
        self._start(cause, raw_repl)

    def close(self) -> None:
        """Power off and let go of everything."""
        self.power_off()
        self.flash.close()
        if self.serial is not None:
            self.serial.close()
        self.selector.close()
        for fd in self._wake_pipe:
            os.close(fd)

    # --- the loop ----------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Make `run` return; from any thread or signal handler."""
        self._stopping = True
        os.write(self._wake_pipe[1], b"x")

    def run(self, until: Callable[[], bool] | None = None) -> None:
        """Let the board live until `until()` is true, or until `stop`."""
        self._stopping = False
        while not self._stopping and not (until and until()):
            self.step()

    def step(self) -> None:
        """One wait and what it brought."""
        target = self._next_moment()
        wait = self._patience() if target is None else self.clock.wait_s(target, self.radio.online)
        if self.serial is not None and self.serial.pending:
            wait = min(wait, 0.05)
        before = time.monotonic()
        events = self.selector.select(min(wait, 5.0))
        if target is not None:
            self.clock.advance(target, time.monotonic() - before, self.radio.online)
        for key, _ in events:
            if isinstance(key.data, Connection):
                self.radio.serve(key.data)
            else:
                key.data()
        if self.serial is not None:
            self.serial.flush()
        self._after_wait()

    def _patience(self) -> float:
        return 0.5 if self._processor is not None and self._wdt_ms else 5.0

    def _next_moment(self) -> int | None:
        """The next moment of board time at which something happens; None while the board computes."""
        if self._processor is None:
            return self._wake_us
        if self._asleep is None:
            return None
        moments = [self._asleep.until_us]
        speaks = self.wiring.next_event()
        if speaks != float("inf"):
            moments.append(int((speaks - self.start_s) * 1e6) + 1)
        joined = self.radio.next_event_us()
        if joined is not None:
            moments.append(joined)
        if self._wdt_ms is not None:
            moments.append(self._wdt_due_us)
        return max(min(moments), self.clock.now_us())

    def _after_wait(self) -> None:
        now = self.clock.now_us()
        if self._processor is None:
            if self._wake_us is not None and now >= self._wake_us:
                self._start(DEEPSLEEP_RESET, wake_reason=4)
            return
        if self._starved(now):
            self._reset(WDT_RESET)
            return
        if self._asleep is not None:
            self.wiring.listen()
            if now >= self._asleep.until_us or self._ready() & ~self._asleep.seen:
                self._wake_up()

    def _starved(self, now: int) -> bool:
        if self._wdt_ms is None:
            return False
        computing_s = time.monotonic() - self._heard_from if self._asleep is None else 0.0
        return now >= self._wdt_due_us or computing_s > HUNG_S

    def _wake_up(self) -> None:
        if self._asleep is not None:
            self._asleep = None
            self._reply(opcodes.STATUS_OK, b"")

    # --- requests ----------------------------------------------------------------------------------------------

    def _on_request(self) -> None:
        if self._processor is None:
            return
        try:
            packet = self._processor.wire.recv(65536)
        except OSError:
            packet = b""
        if not packet:
            self._reset(HARD_RESET)  # the process died: as close to a panic as it gets
            return
        self._heard_from = time.monotonic()
        opcode, spent_us = struct.unpack_from("<BH", packet)
        self.clock.spend(spent_us)
        payload = packet[3:]
        if opcode == opcodes.SLEEP:
            dt_us, seen = struct.unpack("<QI", payload)
            self._asleep = Sleep(self.clock.now_us() + dt_us, seen)
            self.wiring.listen()
            if dt_us == 0 or self._ready() & ~seen:
                self._wake_up()
        elif opcode == opcodes.EXIT:
            self._exit(*struct.unpack("<BQB", payload))
        else:
            self._answer(opcode, payload)

    def _answer(self, opcode: int, payload: bytes) -> None:
        handler = self._handlers.get(opcode)
        try:
            if handler is None:
                raise BoardOSError(EINVAL)
            answer, status = handler(payload), opcodes.STATUS_OK
        except BoardOSError as error:
            answer, status = struct.pack("<i", error.code) + error.name.encode(), opcodes.STATUS_ERROR
        if self._processor is not None:  # a handler may have cut the power
            self._reply(status, answer)

    def _reply(self, status: int, answer: bytes) -> None:
        if self._processor is None:
            return
        now = self.clock.now_us()
        uptime_us = now - self._boot_us
        rtc_us = now - self._rtc_zero_us
        head = struct.pack(
            "<BIIIII",
            status,
            self._ready(),
            uptime_us // 1000 & TICKS_MASK,
            uptime_us & TICKS_MASK,
            rtc_us // 1_000_000 & 0xFFFFFFFF,
            rtc_us % 1_000_000,
        )
        try:
            self._processor.wire.send(head + answer)
        except OSError:
            return  # it just died; the wire's end will tell

    def _ready(self) -> int:
        return self.wiring.ready() | self.radio.ready()

    def _exit(self, kind: int, us: int, raw_repl: int) -> None:
        if kind == opcodes.EXIT_DEEPSLEEP:
            self._stop_processor()
            self.radio.reset()
            self._wdt_ms = None
            self._wake_us = self.clock.now_us() + us
        else:
            self._reset(SOFT_RESET if kind == opcodes.EXIT_SOFT else HARD_RESET, bool(raw_repl))

    def _all_handlers(self) -> dict[int, Callable[[bytes], bytes]]:
        return {
            opcodes.BOOT: lambda _: json.dumps(self._boot_info()).encode(),
            opcodes.RANDOM: lambda p: self._random_bytes(struct.unpack("<H", p)[0]),
            opcodes.CONSOLE: self._on_console_mode,
            opcodes.RTC_SET: self._on_rtc_set,
            opcodes.RTC_MEMORY_GET: lambda _: self._rtc_memory,
            opcodes.RTC_MEMORY_SET: self._on_rtc_memory,
            opcodes.WDT_START: self._on_wdt_start,
            opcodes.WDT_FEED: self._on_wdt_feed,
            **self.flash.handlers(),
            **self.nvs.handlers(),
            **self.wiring.handlers(),
            **self.radio.handlers(),
        }

    def _boot_info(self) -> dict[str, object]:
        silicon = self.board.silicon
        version = self.interpreter.version
        name = f"Generic {self.board.chip.upper()} module with {self.board.chip.upper()}"
        return {
            "real_time": self.clock.real_time,
            "raw_repl": self._raw_repl,
            "reset_cause": self.resets[-1],
            "wake_reason": self._wake_reason,
            "unique_id": list(self._mac),
            "freq": 160_000_000,
            "release": version,
            "version": f"v{version}",
            "banner": f"MicroPython v{version} emulated",
            "machine": name,
            "gpios": sorted(silicon.pins),
            "input_only": sorted(silicon.input_only),
            "uart_ids": list(range(silicon.uart_count)),
            "i2c_ids": list(range(silicon.i2c_count)),
            "i2c_defaults": self._i2c_defaults(),
            "partitions": self.partitions,
        }

    def _i2c_defaults(self) -> list[tuple[int, int]]:
        """(scl, sda) the port takes when a program names none: ESP32 18/19 and 25/26 (machine_i2c.c)."""
        pins = [(18, 19), (25, 26)] if self.board.chip == "esp32" else [(9, 8), (9, 8)]
        for bus in self.board.buses.values():
            if isinstance(bus, I2cBus) and self.board.chip != "esp32":
                pins[bus.id] = (bus.scl, bus.sda)
        return pins

    def _random_bytes(self, count: int) -> bytes:
        return os.urandom(count) if self._random is None else self._random.randbytes(count)

    def _on_rtc_set(self, payload: bytes) -> bytes:
        seconds, micros = struct.unpack("<qI", payload)
        self._rtc_zero_us = self.clock.now_us() - (seconds * 1_000_000 + micros)
        return b""

    def _on_rtc_memory(self, payload: bytes) -> bytes:
        self._rtc_memory = payload
        return b""

    def _on_wdt_start(self, payload: bytes) -> bytes:
        self._wdt_ms = struct.unpack("<I", payload)[0]
        return self._on_wdt_feed(b"")

    def _on_wdt_feed(self, _: bytes) -> bytes:
        if self._wdt_ms is not None:
            self._wdt_due_us = self.clock.now_us() + self._wdt_ms * 1000
        return b""

    # --- console -----------------------------------------------------------------------------------------------

    def _on_console_mode(self, payload: bytes) -> bytes:
        self._interruptible = struct.unpack("<b", payload)[0] == CTRL_C
        return b""

    def _on_typed(self) -> None:
        if self.serial is not None:
            self.type(self.serial.read())

    def type(self, data: bytes) -> None:
        """Bytes from the serial port to the board; a Ctrl-C interrupts the program that runs."""
        while data and self._processor is not None:
            at = data.find(bytes([CTRL_C])) if self._interruptible else -1
            head, data = (data, b"") if at < 0 else (data[:at], data[at + 1 :])
            if head:
                self._feed(head)
            if at >= 0:
                self._interruptible = False
                self._processor.interrupt()
                self._wake_up()

    def _feed(self, data: bytes) -> None:
        if self._processor is None:
            return
        try:
            self._processor.console_in.write(data)
            self._processor.console_in.flush()
        except (BlockingIOError, BrokenPipeError):
            return  # the board does not listen: bytes are lost, as in a full UART

    def _on_printed(self) -> None:
        if self._processor is not None:
            self._print(self._processor.output())

    def _print(self, data: bytes) -> None:
        if not data:
            return
        self.output = (self.output + data)[-65536:]
        if self.serial is not None:
            self.serial.write(data)

    def _on_wake(self) -> None:
        os.read(self._wake_pipe[0], 4096)
