"""A board on the bench: powered, typed to and read without a serial port, in virtual or real time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hadeda.board import Board, load
from hadeda.emulator.board import EmulatedBoard
from hadeda.emulator.clock import Clock, VirtualTime
from hadeda.scenario import World

BOARD = "esp32-devkitc-v4"
WORLD = World()
PATIENCE_S = 30.0
CTRL_A, CTRL_D = b"\x01", b"\x04"


@contextmanager
def on_bench(
    *,
    seed: int | None = 7,
    clock: Clock | None = None,
    flash_file: Path | None = None,
    board: Board | None = None,
    stock_partitions: bool = False,
) -> Iterator[EmulatedBoard]:
    """A board without power, in virtual time unless told otherwise."""
    emulated = EmulatedBoard(
        board or load(BOARD),
        WORLD,
        seed=seed,
        clock=clock or VirtualTime(),
        flash_file=flash_file,
        stock_partitions=stock_partitions,
    )
    try:
        yield emulated
    finally:
        emulated.close()


def run_until(board: EmulatedBoard, done: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Let the board live until then; fails, with what it printed, when that takes too long."""
    deadline = time.monotonic() + patience_s

    def over() -> bool:
        assert time.monotonic() < deadline, bytes(board.output[-1000:]).decode(errors="replace")
        return done()

    board.run(until=over)


def run_until_printed(board: EmulatedBoard, text: bytes, patience_s: float = PATIENCE_S) -> None:
    """Until the board has printed it."""
    run_until(board, lambda: text in board.output, patience_s)


def execute(board: EmulatedBoard, program: str) -> str:
    """Run a program in the raw REPL of a board at its prompt; what it printed, then its traceback."""
    board.output.clear()
    board.type(b"\r" + CTRL_A)
    run_until(board, lambda: board.output.endswith(b"raw REPL; CTRL-B to exit\r\n>"))
    board.output.clear()
    board.type(program.encode() + CTRL_D)
    run_until(board, lambda: board.output.count(CTRL_D) == 2 and board.output.endswith(b">"))
    output, error, _ = bytes(board.output).removeprefix(b"OK").split(CTRL_D)
    return (output + error).decode().replace("\r\n", "\n")


def power_up(board: EmulatedBoard) -> None:
    """Power on, up to the prompt."""
    board.power_on()
    run_until(board, lambda: board.output.endswith(b">>> "))


def start_main(board: EmulatedBoard, main: str) -> None:
    """Flash main.py, then power the board up anew; what it has printed before is forgotten."""
    power_up(board)
    assert execute(board, f"with open('main.py', 'w') as file: file.write({main!r})").endswith("")
    board.power_off()
    board.output.clear()
    board.resets.clear()
    board.power_on()
