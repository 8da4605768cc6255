"""What an emulated board costs: CPU seconds a board-day of the street, and what its program asks the host for.

The board is provisioned, powered up at `start_hour` and left alone out of reach of any network: sampled, counted,
sealed and stored is all it does. Counted is the user and system time of this process and of the board's.
"""

import resource
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hadeda import cores
from hadeda.board import Board
from hadeda.city import City
from hadeda.emulator.board import POWER_ON, EmulatedBoard
from hadeda.emulator.clock import VirtualTime
from hadeda.emulator.serial_port import SerialPort
from hadeda.errors import BenchError
from hadeda.provision import steps
from hadeda.scenario import World

DAY_S = 86400
HOUR_US = 3_600_000_000
PORT = 8883  # nobody listens: the board is out of reach
PROVISIONING_PACE = 10.0  # somebody is at its port
FLASH = "flash.bin"


@dataclass(frozen=True)
class Cost:
    """CPU seconds of both processes over `seconds` of the street, and how often each request was made."""

    seconds: float
    host_cpu_s: float
    board_cpu_s: float
    requests: dict[str, int]

    @property
    def cpu_s_per_board_day(self) -> float:
        return (self.host_cpu_s + self.board_cpu_s) / self.seconds * DAY_S

    def answer(self) -> dict[str, object]:
        """What `hadeda bench emulator --json` says."""
        return {
            "street_seconds": round(self.seconds, 1),
            "host_cpu_seconds": round(self.host_cpu_s, 2),
            "board_cpu_seconds": round(self.board_cpu_s, 2),
            "cpu_seconds_per_board_day": round(self.cpu_s_per_board_day, 1),
            "board_days_per_cpu_second": round(1 / self.cpu_s_per_board_day, 4),
            "requests_per_second": {name: round(count / self.seconds, 3) for name, count in self.requests.items()},
        }


def measure(board: Board, *, hours: float, start_hour: float, seed: int, hour_done: Callable[[int], None]) -> Cost:
    """Let one board live through so many hours of the street; `hour_done(1)` is called for each."""
    world = World(seed=seed)
    with tempfile.TemporaryDirectory(prefix="hadeda-bench-") as name:
        folder = Path(name)
        provision(board, world, seed, folder)
        start_s = world.start_s + start_hour * 3600
        emulated = EmulatedBoard(
            board, world, seed=seed, clock=VirtualTime(), start_s=start_s, flash_file=folder / FLASH
        )
        try:
            return _live(emulated, hours, hour_done)
        finally:
            emulated.close()


def _live(emulated: EmulatedBoard, hours: float, hour_done: Callable[[int], None]) -> Cost:
    emulated.radio.lose_reach()
    host_s, board_s = _cpu_s()
    end_us = int(hours * HOUR_US)
    with cores.on_one():
        emulated.power_on()
        emulated.compute()
        for hour_us in range(0, end_us, HOUR_US):
            until_us = min(hour_us + HOUR_US, end_us)
            while (moment_us := emulated.next_moment_us) is not None and moment_us < until_us:
                emulated.live(moment_us, until_us)
            hour_done(1)
        emulated.power_off()  # and waits for the board's process, so that its time is known
    host_end_s, board_end_s = _cpu_s()
    if emulated.resets != [POWER_ON]:
        raise BenchError(f"the board was reset: {emulated.resets}", "hadeda emulate shows what it says")
    return Cost(end_us / 1e6, host_end_s - host_s, board_end_s - board_s, emulated.asked())


def _cpu_s() -> tuple[float, float]:
    """User and system time so far of this process, and of those it has waited for."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    host_s, children_s = (usage.ru_utime + usage.ru_stime for usage in both)
    return host_s, children_s


def provision(board: Board, world: World, seed: int, folder: Path) -> None:
    """Leave the flash image of a node of a new city in `folder`."""
    serial = SerialPort()
    emulated = EmulatedBoard(
        board,
        world,
        seed=seed,
        clock=VirtualTime(PROVISIONING_PACE),
        flash_file=folder / FLASH,
        serial=serial,
    )
    thread = threading.Thread(target=emulated.run, name="board")
    try:
        with City.init(folder / "city", "Bench", broker_port=PORT, wifi_ssid="street", ntp="localhost") as city:
            emulated.power_on()
            thread.start()
            steps.provision(serial.path, board, city, name="bench", now=datetime.fromtimestamp(world.start_s, UTC))
    finally:
        if thread.is_alive():
            emulated.stop()
            thread.join()
        emulated.close()
