"""What emulating costs: board-days of the street a CPU second, and how many boards a gigabyte of memory holds."""

from statistics import median
from typing import Final

from hadeda.bench.conditions import Conditions
from hadeda.bench.emulator import measure
from hadeda.bench.memory import boards_memory
from hadeda.bench.row import Row, Target
from hadeda.board import load

BOARD: Final = "esp32-s3-devkitc-1"
SEED: Final = 7
RUNS: Final = 5
GIB: Final = 1 << 30
BOARDS_MIN: Final = 1000 / 8  # a gigabyte


def rows(conditions: Conditions) -> list[Row]:
    """Speed and size."""
    return [_speed(conditions), _size(conditions)]


def _speed(conditions: Conditions) -> Row:
    hours, start, runs = (0.25, 7.0, 1) if conditions.quick else (24.0, 0.0, RUNS)
    costs = []
    for run in range(runs):
        conditions.say(f"  {hours:g} hours of the street, {run + 1} of {runs}")
        costs.append(measure(load(BOARD), hours=hours, start_hour=start, seed=SEED, hour_done=lambda _hour: None))
    value = median(1 / cost.cpu_s_per_board_day for cost in costs)
    how = (
        f"median of {runs}: {hours:g} hours from {start:g}:00 of one {BOARD} on its street in virtual time, out of "
        "reach of a network; user and system time of its process and of the host's; depends on this machine"
    )
    return Row("emulator: board-days a CPU second", round(value, 4), "board-days/s", how)


def _size(conditions: Conditions) -> Row:
    count = 4 if conditions.quick else 16
    memory = boards_memory(load(BOARD), count, SEED)
    how = (
        f"{count} boards of a simulated street: {memory.board_bytes / 2**20:.1f} MB for a board's process (a "
        f"proportional share, Pss) and {memory.host_bytes / 2**20:.2f} MB more of the host for each; its first "
        f"{memory.base_bytes / 2**20:.0f} MB (Python, broker, collector, database) come once a process"
    )
    value = GIB / (memory.board_bytes + memory.host_bytes)
    return Row("emulator: boards a GB", round(value, 1), "boards", how, Target(">=", BOARDS_MIN))
