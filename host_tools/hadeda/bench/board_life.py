"""What one board's life takes: a node on an emulated board, watched from inside through a few quarter-hours.

It is provisioned, boots, samples, seals, sends, and reads the city's receipt, in a simulated street of one board;
on_board/living.py is put before its main.py and tells what flash and heap it takes.
"""

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from hadeda.bench.run import ON_BOARD
from hadeda.board import Board, load
from hadeda.emulator import interpreter
from hadeda.emulator.files_in_flash import change
from hadeda.errors import BenchError
from hadeda.simulate.faults import Faults
from hadeda.simulate.provisioning import flash_file, prepare
from hadeda.simulate.street import Street, Wanted

WINDOW_US: Final = 900_000_000
WINDOWS: Final = 5  # the city writes a receipt with every fourth report
SEED: Final = 7
SHIPPED: Final = "esp32-s3-devkitc-1"


@dataclass
class Life:
    """`booted` are the modules imported up to the first sample, in order; `kept` bytes of heap of those that stayed.

    `reads` and `read_bytes` are of the flash, up to the first sample; `peak` is the heap's high-water mark with
    garbage, `alive` what of it was not.
    """

    booted: list[str] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict)
    reads: int = 0
    read_bytes: int = 0
    peak: int = 0
    alive: int = 0


def live(board: Board | None = None, windows: int = WINDOWS) -> Life:
    """Let a board live so long; raises BenchError where it does not as it should."""
    board = board or load(SHIPPED)
    if not interpreter.find().exact:
        raise BenchError("heap figures need the 32-bit interpreter", "run ./run setup on an amd64 machine")
    wanted = Wanted(board, 1, windows * WINDOW_US + WINDOW_US // 2, SEED, "none")
    said = bytearray()
    with TemporaryDirectory(prefix="hadeda-bench-") as name:
        folder = Path(name)
        prepare(board, [0], SEED, folder, lambda _line: None)
        change(flash_file(folder, 0), board, {"/main.py": (ON_BOARD / "living.py").read_bytes()})
        with Street(wanted, Faults(SEED, 1, wanted.length_us), folder) as street:
            console = street.posts[0].emulated.console
            heard = console.on_output

            def hear(data: bytes) -> None:
                said.extend(data)
                if heard is not None:
                    heard(data)

            console.on_output = hear
            street.run(lambda _us: None)
            violations = street.violations
    if violations:
        raise BenchError(f"the board did not live as it should: {violations[0]}", said[-300:].decode(errors="replace"))
    return read(said.decode(errors="replace"))


def read(said: str) -> Life:
    """What on_board/living.py has told."""
    life, sizes = Life(), dict[str, int]()
    for line in said.splitlines():
        match line.split():
            case ["bench", "module", name, size]:
                sizes[name] = int(size)
                if not life.reads:
                    life.booted.append(name)
            case ["bench", "first", reads, size]:
                life.reads, life.read_bytes = int(reads), int(size)
            case ["bench", "heap", peak, alive]:
                life.peak, life.alive = int(peak), int(alive)
            case ["bench", "kept", name]:
                life.kept[name] = sizes.get(name, 0)
    return life
