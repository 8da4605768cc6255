"""How much memory simulated boards take, in their own processes and in the host's."""

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from hadeda.board import Board
from hadeda.errors import BenchError
from hadeda.simulate.faults import Faults
from hadeda.simulate.provisioning import prepare
from hadeda.simulate.street import Street, Wanted

LENGTH_US: Final = 1_000_000_000  # a window and the session after it
KIB: Final = 1024


@dataclass(frozen=True)
class Memory:
    """Bytes: of one board's process, of the host for each board, and of the host before the first."""

    board_bytes: float
    host_bytes: float
    base_bytes: int


def boards_memory(board: Board, count: int, seed: int) -> Memory:
    """Let so many boards live for a while and look; raises BenchError where the system does not tell (not Linux)."""
    if not Path("/proc/self/smaps_rollup").exists():
        raise BenchError("this system does not say how much memory a process takes", "measure on Linux")
    wanted = Wanted(board, count, LENGTH_US, seed, "none")
    with TemporaryDirectory(prefix="hadeda-bench-") as name:
        prepare(board, range(count), seed, Path(name), lambda _line: None)
        before = set(_children())
        base = pss(os.getpid())
        with Street(wanted, Faults(seed, count, LENGTH_US), Path(name)) as street:
            street.collector.start()
            for post in street.posts:
                post.power_on(0)
            street.run_until(LENGTH_US, lambda _us: None)
            boards = [pss(child) for child in _children() if child not in before]
            host = pss(os.getpid())
    if len(boards) != count:
        raise BenchError(f"{len(boards)} board processes instead of {count}", "run it again; a defect if it stays")
    return Memory(sum(boards) / count, max(0, host - base) / count, base)


def pss(process: int) -> int:
    """A process's proportional share of memory, in bytes."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * KIB
    raise BenchError(f"no Pss of process {process}", "measure on Linux 4.14 or later")


def _children() -> list[int]:
    tasks = Path("/proc/self/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]
