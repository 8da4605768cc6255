"""A street corner, put together: city, emulated board, broker, collector; and what can be seen of it while it runs.

Everything is real but the silicon and the street: mpremote provisions over a pseudo-terminal, MQTT runs over TLS, the
collector verifies and stores. Board time runs `pace` times faster than the clock on the wall.
"""

import json
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from hadeda.board import Board
from hadeda.city import City
from hadeda.city.policies import for_provisioning
from hadeda.collect.broker import EmbeddedBroker, free_port
from hadeda.collect.collector import Collector, Outcome, Status
from hadeda.collect.mqtt import MqttCollector
from hadeda.emulator.board import EmulatedBoard
from hadeda.emulator.clock import VirtualTime
from hadeda.emulator.process import SURFACE_KEEPS
from hadeda.emulator.serial_port import SerialPort
from hadeda.policy.compiled import Compiled
from hadeda.policy.street import Tally, cells_in
from hadeda.provision import steps
from hadeda.provision.port import NodePort
from hadeda.registry.reports import StoredReport, reports
from hadeda.scenario import World

START_HOUR = 6.97  # shortly before seven in the morning of the first day: the street has woken up
KEEP_EVENTS = 200
HANG_UP_S = 10.0

# What the node itself says about its reports: how many were sealed, for how many it has no receipt yet
_LEDGER = """
import json
from node import keystore, store
from node.keychain import Keychain
from ports.flash import Files, KeyPartition, Nvs
from ports.power import Retained
files = Files()
keychain = Keychain(keystore.open_keystore(files, KeyPartition.find()), Nvs(), Retained())
print(json.dumps([keychain.spent, store.Store(files, Nvs()).waiting]))
"""


@dataclass
class Seen:
    """What happened so far, filled from several threads; every list only grows at its end and is bounded."""

    events: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=KEEP_EVENTS))
    event_count: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    wire_bytes: int = 0
    wire_tail: bytes = b""


@dataclass(frozen=True)
class Ledger:
    """The node's own account: reports sealed, and of those the ones it keeps until the city's receipt."""

    sealed: int
    waiting: int


class Corner:
    """A context manager; inside it the board is powered, the broker listens and the collector collects."""

    def __init__(self, board: Board, world: World, *, seed: int, pace: float) -> None:
        self.board = board
        self.world = world
        self.seed = seed
        self.pace = pace
        self.seen = Seen()
        self._stack = ExitStack()
        self._failure: BaseException | None = None
        self._truth: dict[int, tuple[int, ...]] = {}

    def __enter__(self) -> Self:
        with self._stack:  # undone if anything below fails
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="hadeda-demo-")))
            self.city = self._stack.enter_context(
                City.init(folder / "city", "Demo", broker_port=free_port(), wifi_ssid="street", ntp="localhost")
            )
            self._stack.enter_context(EmbeddedBroker(self.city))
            self._build_board(folder)
            self.collector = Collector(self.city, self._world_time)
            self._stack.enter_context(MqttCollector(self.city, self.collector, self.seen.outcomes.append))
            self._power_up()
            self._stack = self._stack.pop_all()
        return self

    def _build_board(self, folder: Path) -> None:
        self.emulated = EmulatedBoard(
            self.board,
            self.world,
            seed=self.seed,
            clock=VirtualTime(self.pace),
            start_s=self.world.start_s + START_HOUR * 3600,
            flash_file=folder / "flash.bin",
            serial=SerialPort(),
        )
        self._stack.callback(self.emulated.close)
        for _, chip in self.emulated.wiring.parts:
            chip.on_event = self._on_event
        self.emulated.radio.on_sent = self._on_sent

    def _power_up(self) -> None:
        self.emulated.power_on()
        thread = threading.Thread(target=self._run, name="board")
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(self.emulated.stop)

    def _run(self) -> None:
        try:
            self.emulated.run()
        except BaseException as failure:
            self._failure = failure

    def check(self) -> None:
        """Raise what ended the board's thread, if anything did."""
        if self._failure is not None:
            raise self._failure

    @property
    def port(self) -> str:
        """Where the board's serial port is."""
        assert self.emulated.serial is not None
        return self.emulated.serial.path

    def _world_time(self) -> datetime:
        return datetime.fromtimestamp(self.emulated.now(), UTC)

    def _on_event(self, t: float, text: str) -> None:
        self.seen.events.append((t, text))
        self.seen.event_count += 1

    def _on_sent(self, data: bytes) -> None:
        self.seen.wire_bytes += len(data)
        self.seen.wire_tail = data[-256:]

    def provision(self, step: Callable[[str], None]) -> steps.Provisioned:
        """Make the board a node of the city, over its serial port."""
        return steps.provision(self.port, self.board, self.city, name="corner", step=step, now=self._world_time())

    @cached_property
    def policy(self) -> Compiled:
        """What the city signed, and the node counts under."""
        return for_provisioning(self.city).policy

    def truth(self, report: StoredReport) -> tuple[int, ...]:
        """Who really passed in a report's window, cell by cell, from the street itself: nothing of it is ever sent."""
        start = report.window_start.timestamp()
        if report.sequence not in self._truth:
            counts = self._tally.counts(self.world, start, start + report.window_s)
            self._truth[report.sequence] = tuple(counts) if report.traffic else ()
        return self._truth[report.sequence]

    @cached_property
    def _tally(self) -> Tally:
        return Tally(cells_in(self.policy.cells))

    def stored(self) -> list[StoredReport]:
        """What the city reads, oldest first."""
        return reports(self.city.database)

    def count(self, status: Status) -> int:
        """How many messages ended so."""
        return self.collector.counts[status]

    def let_it_hang_up(self) -> None:
        """Wait until the node has heard the broker's last acknowledgement and closed the connection."""
        deadline = time.monotonic() + HANG_UP_S
        while self.emulated.radio.online and time.monotonic() < deadline:
            self.check()
            time.sleep(0.02)

    def heap_peak(self) -> int:
        """The most heap the node had in use, garbage included, less what the emulated silicon keeps there itself."""
        return max(report.health.heap_high_water_bytes for report in self.stored()) - SURFACE_KEEPS

    def ledger(self) -> Ledger:
        """Interrupt the node and ask it, over the cable, what it sealed and what still waits."""
        with NodePort(self.port) as port:
            sealed, waiting = json.loads(port.run(_LEDGER))
        return Ledger(sealed, waiting)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
