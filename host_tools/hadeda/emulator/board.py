"""An emulated board: one MicroPython process at a time, and everything a processor finds around itself.

The board and this loop take turns: the process computes, asks (`surface/opcodes.py`), and waits for the answer. Only
while it sleeps does board time pass, so in virtual time the same seed gives the same bytes. Faults (power cut, hung
bus, lost radio) are switched on from outside through the parts: `flash`, `wiring`, `radio`.
"""

import contextlib
import json
import math
import os
import random
import selectors
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hadeda import cores
from hadeda.board import Board, partitions
from hadeda.emulator import interpreter, start_up
from hadeda.emulator.bluetooth import Bluetooth
from hadeda.emulator.boot_info import Start, boot_info, unique_id
from hadeda.emulator.chips.atecc608 import Atecc608
from hadeda.emulator.chips.ble_footfall import PassingDevices
from hadeda.emulator.clock import Clock, RealTime
from hadeda.emulator.console import Console
from hadeda.emulator.errors import EINVAL, BoardOSError
from hadeda.emulator.flash import Flash, PowerCut
from hadeda.emulator.local_network import LocalNetwork
from hadeda.emulator.network import Network
from hadeda.emulator.nvs import Nvs
from hadeda.emulator.process import Processor
from hadeda.emulator.radio import Radio
from hadeda.emulator.rom_loader import RomLoader
from hadeda.emulator.rtc import Rtc
from hadeda.emulator.serial_port import SerialPort
from hadeda.emulator.surface import opcodes
from hadeda.emulator.watchdog import Watchdog
from hadeda.emulator.wire import REQUESTS, pack, unpack
from hadeda.emulator.wiring import Wiring
from hadeda.errors import EmulatorError
from hadeda.scenario import World

POWER_ON, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
TIMER_WAKE = 4
LOOK_S = 0.01  # real seconds, at the most, that a board on its own does not see a serial port or another thread
HUNG_S = 60.0  # real seconds without a request, in virtual time, until a fed watchdog counts as starved

ELEMENT_FILE = ".element"  # beside the flash image's name: what a secure element keeps

SLEEP = struct.Struct("<QIB")
UART_BITS = (1 << opcodes.READY_CONSOLE) - (1 << opcodes.READY_UART)
# Requests that change nothing but the parts themselves
LOOKING = frozenset(
    (
        *(opcodes.SLEEP, opcodes.WDT_FEED, opcodes.WLAN_STATUS, opcodes.BLE_HEARD),
        *(opcodes.I2C_WRITE, opcodes.I2C_READ, opcodes.I2C_READ_MEM),
        *(opcodes.UART_ANY, opcodes.UART_READ, opcodes.UART_WRITE),
    )
)


@dataclass(slots=True)
class Sleep:
    """The board waits for `until_us`, or for a ready bit outside `seen`; `at_console`, somebody may be typing."""

    until_us: int
    seen: int
    at_console: bool

    @property
    def listens(self) -> bool:
        """Whether what a part says on its line would wake it."""
        return bool(~self.seen & UART_BITS)


class EmulatedBoard:
    """`start_s`: the world's time at power-up. `seed` fixes everything random on the board; None takes real randomness.

    `stock_partitions`: a flash that nobody wrote a partition table to is divided as a stock image leaves it, without a
    partition for the node's keys.
    `network` is what is behind its access point, else this computer's own.

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
        stock_partitions: bool = False,
        network: Network | None = None,
    ) -> None:
        self.board = board
        self.interpreter = interpreter.find()
        self.clock = clock or RealTime()
        if not self.interpreter.ours and not self.clock.real_time:
            raise EmulatorError(
                "virtual time needs the interpreter that ./run builds", "run ./run setup, or use real time"
            )
        self.start_s = world.start_s if start_s is None else start_s
        self.flash = Flash(board.flash_mb << 20, flash_file)
        bare = partitions.stock if stock_partitions else partitions.hadeda
        self._flashed = start_up.partition_table(self.flash)  # what somebody wrote there counts
        self.partitions = self._flashed or bare(board.flash_mb)
        self._loader: RomLoader | None = None
        self.nvs = Nvs(self.flash, partitions.find(self.partitions, "nvs"))
        self.selector = selectors.DefaultSelector()
        self.radio = Radio(network or LocalNetwork(self.selector, self.now), self.clock.now_us)
        element = _element(board, seed, flash_file)
        self.wiring = Wiring(board, world, seed or 0, self.now, self.clock.spend, element)
        self.bluetooth = Bluetooth(PassingDevices(world, seed or 0), seed or 0, self.now)
        self.serial = serial
        self.resets: list[int] = []
        self.wakes = 0  # of these, ends of a deep sleep
        self.sleeps = 0  # of its program, told or not
        self.starve_after = 0  # of the next start: from which allocation on a few fail
        self.console = Console(serial, self._wake_up)
        self.rtc = Rtc(self.clock.now_us)
        self.watchdog = Watchdog(self.clock.now_us)
        self._random = random.Random(seed) if seed is not None else None
        self._mac = unique_id(board, seed, flash_file)
        self._processor: Processor | None = None
        self._asleep: Sleep | None = None
        self._wake_us: int | None = None  # deep sleep ends then
        self._wake_pipe = os.pipe()
        self._orders: deque[Callable[[], None]] = deque()
        self._stopping = False
        self._boot_us = 0
        self._look_s = 0.0
        self.selector.register(self._wake_pipe[0], selectors.EVENT_READ, self._on_wake)
        if serial is not None:
            self.selector.register(serial, selectors.EVENT_READ, self._on_typed)
        self._handlers = self._all_handlers()
        self._asked = [0] * 256
        self._alone_until_us = 0  # nothing reaches it from outside before that moment, but what its radio brings
        self._noted = False  # since it last slept it asked for something that leaves a trace

    def now(self) -> float:
        """The world's time in seconds."""
        return self.start_s + self.clock.now_us() / 1e6

    @property
    def output(self) -> bytearray:
        """The newest console output, for tests and for those without a serial port."""
        return self.console.output

    @property
    def powered(self) -> bool:
        """Whether it runs or sleeps; a power cut (flash.PowerCut) ends that."""
        return self._processor is not None or self._wake_us is not None or self._loader is not None

    def asked(self) -> dict[str, int]:
        """How often the board has asked for what, the most frequent first: names of surface/opcodes.py."""
        counts = {name: self._asked[opcode] for opcode, name in REQUESTS.items() if self._asked[opcode]}
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    # --- power -------------------------------------------------------------------------------------------------

    def power_on(self, download: bool = False) -> None:
        """Plug it in; for a `download` with its BOOT button held: it stays in the loader of its ROM."""
        self.rtc.power_down()
        if download:
            self._loader = RomLoader(self.board.silicon, self.flash)
            self._flashed = self.partitions  # from now on, what is in flash has to be whole
            return
        self._flashed = start_up.partition_table(self.flash) or self._flashed
        if self._flashed is not None:
            self.partitions = self._flashed
            if words := start_up.why_not(self.flash, self.board):
                self.console.show(words)
                return
        self._start(Start(POWER_ON))

    def power_off(self) -> None:
        """Pull the plug: RAM, RTC memory and clock are gone, flash stays as it is."""
        self._stop_processor()
        self._loader = None
        self._wake_us = None
        self.radio.reset()
        self.bluetooth.reset()
        self.watchdog.stop()
        self.wiring.power_down()
        self.rtc.power_down()

    def brown_out(self) -> None:
        """The supply dips: everything starts again as after a power cut, but RTC memory was never without."""
        self.wiring.power_down()
        self._reset(POWER_ON)

    def hang(self) -> None:
        """The program goes nowhere any more, as in an interrupt storm: only the watchdog, where it runs, can help."""
        if self._asleep is not None and self.watchdog.due_us is not None:
            self._asleep = Sleep(self.watchdog.due_us, -1, False)

    def _start(self, start: Start) -> None:
        self.resets.append(start.cause)
        start.starve_after, self.starve_after = self.starve_after, 0
        self._start_of = start
        self._booted = False
        self._wake_us = None
        self._boot_us = self.clock.now_us() if start.cause != SOFT_RESET else self._boot_us
        self._alone_until_us = 0
        self.nvs.restart()
        self._processor = Processor(self.interpreter, self.board.budgets.heap_kb * 1024, self.flash.fd)
        self._silent_since: float | None = None
        self.console.connect(self._processor)
        self.selector.register(self._processor.wire, selectors.EVENT_READ, self._on_request)
        self.selector.register(self._processor.console_out, selectors.EVENT_READ, self.console.take)

    def _stop_processor(self) -> None:
        processor, self._processor = self._processor, None
        self._asleep = None
        if processor is not None:
            self.selector.unregister(processor.wire)
            self._listen_to_console(processor, False)
            self.console.show(processor.kill())
            self.console.connect(None)

    def _reset(self, cause: int, raw_repl: bool = False) -> None:
        self._stop_processor()
        self.radio.reset()
        self.bluetooth.reset()
        if cause != SOFT_RESET:
            self.watchdog.stop()
            self.wiring.chip_reset()
        self._start(Start(cause, raw_repl=raw_repl))

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
        self._poke()

    def soon(self, action: Callable[[], None]) -> None:
        """Let the board's own thread do something to it, as soon as it can; from any thread."""
        self._orders.append(action)
        self._poke()

    def _poke(self) -> None:
        os.write(self._wake_pipe[1], b"x")

    def run(self, until: Callable[[], bool] | None = None) -> None:
        """Let the board live until `until()` is true, or until `stop`."""
        self._stopping = False
        with self._turns():
            while not self._stopping and not (until and until()):
                self.step()

    @contextlib.contextmanager
    def _turns(self) -> Iterator[None]:
        """In virtual time board and loop only ever take turns: on one core that costs a fifth of two."""
        if self.clock.real_time:
            yield
            return
        with cores.on_one() as here:
            if self._processor is not None:
                self._processor.move_to(here)
            yield

    def step(self) -> None:
        """One wait and what it brought."""
        if not (self._on_its_own() and self._take_turn()):
            self._look_around()

    def _on_its_own(self) -> bool:
        """Whether board and loop are all there is: no pace to keep, and nobody outside looked for just now."""
        return (
            self._processor is not None
            and not self.clock.real_time
            and time.monotonic() < self._look_s
            and math.isinf(self._pace())
        )

    def _take_turn(self) -> bool:
        """The board's next request, or the end of its sleep; False when it computes for longer."""
        if self._asleep is None:
            return self._on_request()
        target = self._next_moment()
        if target is not None:
            self.clock.advance(target, math.inf)
        self._after_wait()
        return True

    def _look_around(self) -> None:
        """Wait for whatever happens next, inside or out."""
        target = self._next_moment()
        pace = self._pace()
        wait = self._patience() if target is None else self.clock.wait_s(target, pace)
        if self.serial is not None and self.serial.pending:
            wait = min(wait, 0.05)
        events = self.selector.select(min(wait, 5.0))
        if target is not None:
            self.clock.advance(target, pace)
        for key, _ in events:
            key.data()
        if self.serial is not None:
            self.serial.flush()
        if self._processor is not None:
            self._listen_to_console(self._processor, not self.console.congested)
        self._after_wait()
        self._look_s = 0.0 if self.console.congested else time.monotonic() + LOOK_S

    def _listen_to_console(self, processor: Processor, wanted: bool) -> None:
        """A board that prints faster than its serial port has to wait."""
        listening = processor.console_out.fileno() in self.selector.get_map()
        if wanted and not listening:
            self.selector.register(processor.console_out, selectors.EVENT_READ, self.console.take)
        elif listening and not wanted:
            self.selector.unregister(processor.console_out)

    def _pace(self) -> float:
        if self._asleep is not None and self._asleep.at_console:
            return 1.0
        return self.clock.online_pace if self.radio.online else self.clock.pace

    def _patience(self) -> float:
        return 0.5 if self._processor is not None and self.watchdog.due_us is not None else 5.0

    def live(self, at_us: int, alone_until_us: int = 0) -> None:
        """Go on to `at_us`, its next moment, and let its program have the turn until it sleeps or loses its power.

        For whoever moves boards by themselves in virtual time: nobody outside is looked for. A program that only looks
        around, and has no socket open, may have its turn until `alone_until_us`, however often it sleeps meanwhile.
        """
        self.clock.advance(at_us, math.inf)
        self._alone_until_us, self._noted = alone_until_us, False
        self._after_wait()
        self.compute()

    def compute(self) -> None:
        """Let its program have the turn until it sleeps or loses its power."""
        while self._processor is not None and self._asleep is None:
            if not self._on_request():
                self._look_around()

    @property
    def computing(self) -> bool:
        """Whether its program has the turn: `step` waits for what it asks."""
        return self._processor is not None and self._asleep is None

    @property
    def waits_for_typing(self) -> bool:
        """Whether it does nothing until somebody types."""
        return self._asleep is not None and self._asleep.at_console

    @property
    def next_moment_us(self) -> int | None:
        """When `step` would go on; None while it computes, or has no power."""
        return self._next_moment()

    def _next_moment(self) -> int | None:
        """The next moment of board time at which something happens; None while the board computes."""
        if self._processor is None:
            return self._wake_us
        if self._asleep is None:
            return None
        moment = self._asleep.until_us
        if self._asleep.listens:  # else what a part says can wait to be read
            speaks = self.wiring.next_event()
            if speaks != math.inf:
                moment = min(moment, int((speaks - self.start_s) * 1e6) + 1)
        for us in (self.radio.next_event_us(), self.watchdog.due_us):
            if us is not None and us < moment:
                moment = us
        now = self.clock.now_us()
        return moment if moment > now else now

    def _after_wait(self) -> None:
        now = self.clock.now_us()
        if self._processor is None:
            if self._wake_us is not None and now >= self._wake_us:
                self.wakes += 1
                self._start(Start(DEEPSLEEP_RESET, wake_reason=TIMER_WAKE))
            return
        if self.watchdog.due_us is not None and self._starved():
            self._reset(WDT_RESET)
            return
        asleep = self._asleep
        if asleep is not None:
            if asleep.listens:
                self.wiring.listen()
            self.radio.listen()
            if now >= asleep.until_us or self._ready() & ~asleep.seen:
                self._wake_up()

    def _starved(self) -> bool:
        if self.watchdog.starved:
            return True
        computing = not self.clock.real_time and self._asleep is None and self._silent_since is not None
        return computing and time.monotonic() - (self._silent_since or 0.0) > HUNG_S

    def _wake_up(self) -> None:
        if self._asleep is not None:
            self._asleep = None
            self._reply(opcodes.STATUS_OK, b"")

    # --- requests ----------------------------------------------------------------------------------------------

    def _on_request(self) -> bool:
        """Take and answer the board's request; False when there is none yet."""
        if self._processor is None:
            return False
        try:
            packet = self._processor.wire.recv(65536)
        except BlockingIOError:
            self._silent_since = self._silent_since or time.monotonic()
            return False
        except OSError:
            packet = b""
        if not packet:
            self._on_death()
            return True
        self._silent_since = None
        opcode, spent_us, sleeps, fed_us, payload = unpack(packet)
        self.sleeps += sleeps + (opcode == opcodes.SLEEP)
        if spent_us:
            self.clock.spend(spent_us)
        if fed_us is not None:
            self.watchdog.fed(self.clock.now_us() - fed_us)
        self._asked[opcode] += 1
        self._noted |= opcode not in LOOKING
        if opcode == opcodes.SLEEP:
            self._sleep(*SLEEP.unpack(payload))
        elif opcode == opcodes.EXIT:
            self._exit(*struct.unpack("<BQB", payload))
        else:
            self._answer(opcode, payload)
        return True

    def _sleep(self, dt_us: int, seen: int, at_console: int) -> None:
        self.console.take()  # what it has printed, it printed by now
        asleep = Sleep(self.clock.now_us() + dt_us, seen, bool(at_console))
        self._asleep = asleep
        if asleep.listens:
            self.wiring.listen()
        if dt_us == 0 or self._ready() & ~seen:
            self._wake_up()

    def _on_death(self) -> None:
        if self._booted:
            self._reset(HARD_RESET)  # as close to a panic as it gets
            return
        self._stop_processor()
        raise EmulatorError(
            f"{self.interpreter.path} does not start: {self.output[-200:].decode(errors='replace').strip()}",
            "./run setup builds the interpreter anew",
        )

    def _answer(self, opcode: int, payload: bytes) -> None:
        handler = self._handlers.get(opcode)
        try:
            if handler is None:
                raise BoardOSError(EINVAL)
            answer, status = handler(payload), opcodes.STATUS_OK
        except BoardOSError as error:
            answer, status = struct.pack("<i", error.code) + error.name.encode(), opcodes.STATUS_ERROR
        except PowerCut:
            self.power_off()
            return
        if self._processor is not None:  # a handler may have cut the power
            self._reply(status, answer)

    def _reply(self, status: int, answer: bytes) -> None:
        if self._processor is None:
            return
        uptime_us = self.clock.now_us() - self._boot_us
        reply = pack(status, self._ready(), uptime_us, self.rtc.time_us(), self._free_us(), answer)
        try:
            self._processor.wire.send(reply)
        except OSError:
            return  # it just died; the wire's end will tell

    def _free_us(self) -> int:
        """How long it may sleep without telling, from now on."""
        if self._noted or not self._alone_until_us or self.radio.sockets:
            return 0
        until_us = self._alone_until_us
        for us in (self.radio.next_event_us(), self.watchdog.due_us):
            if us is not None and us < until_us:
                until_us = us
        return max(0, until_us - self.clock.now_us() - 1)

    def _ready(self) -> int:
        typed = self._processor is not None and self._processor.has_input()
        return self.wiring.ready() | self.radio.ready() | typed << opcodes.READY_CONSOLE

    def _exit(self, kind: int, us: int, raw_repl: int) -> None:
        if kind == opcodes.EXIT_DEEPSLEEP:
            self._stop_processor()
            self.radio.reset()
            self.bluetooth.reset()
            self.watchdog.stop()
            self.wiring.chip_reset()
            self._wake_us = self.clock.now_us() + us
        else:
            self._reset(SOFT_RESET if kind == opcodes.EXIT_SOFT else HARD_RESET, bool(raw_repl))

    def _all_handlers(self) -> dict[int, Callable[[bytes], bytes]]:
        return {
            opcodes.BOOT: self._on_boot,
            opcodes.RANDOM: lambda p: self._random_bytes(struct.unpack("<H", p)[0]),
            **self.console.handlers(),
            **self.rtc.handlers(),
            **self.watchdog.handlers(),
            **self.flash.handlers(),
            **self.nvs.handlers(),
            **self.wiring.handlers(),
            **self.radio.handlers(),
            **self.bluetooth.handlers(),
        }

    def _on_boot(self, _: bytes) -> bytes:
        self._booted = True
        info = boot_info(self.board, self.interpreter, self.partitions, self._mac, self.clock.real_time, self._start_of)
        return json.dumps(info).encode()

    def _random_bytes(self, count: int) -> bytes:
        return os.urandom(count) if self._random is None else self._random.randbytes(count)

    # --- console -----------------------------------------------------------------------------------------------

    def type(self, data: bytes) -> None:
        """Bytes to the board, as from its serial port; a Ctrl-C interrupts the program that runs."""
        self.console.type(data)
        self._poke()

    def _on_typed(self) -> None:
        if self.serial is None:
            return
        data = self.serial.read()
        if self._loader is None:
            self.type(data)
            return
        try:
            self.serial.write(self._loader.receive(data), binary=True)
        except PowerCut:
            self.power_off()

    def _on_wake(self) -> None:
        os.read(self._wake_pipe[0], 4096)
        while self._orders:
            self._orders.popleft()()


def _element(board: Board, seed: int | None, flash_file: Path | None) -> Atecc608 | None:
    """The board's secure element, with what it kept beside the flash image; without a seed, no two are the same."""
    if board.element is None:
        return None
    memory = flash_file and flash_file.with_name(flash_file.name + ELEMENT_FILE)
    return Atecc608(None, int.from_bytes(os.urandom(8), "big") if seed is None else seed, memory=memory)
