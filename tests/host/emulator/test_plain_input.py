"""A bare pin reads what is soldered to it, else what pulls at it; by the board's clock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from emulator_bench import execute, on_bench, power_up

from hadeda.board import load
from hadeda.emulator.board import EmulatedBoard
from hadeda.emulator.chips.faults import Cut

LOOP = 34  # the board's pin with its detector, and a resistor to 3V3
DETECTOR = 1
INPUT = "import machine, time\nPin = machine.Pin\n"


class Square:
    """An output that is low for a second and high for a second."""

    on_event = None

    def level(self, now: float) -> bool | None:
        return int(now) % 2 == 1


@pytest.fixture
def board() -> Iterator[EmulatedBoard]:
    with on_bench(board=load("esp32-devkitc-v4-loop")) as board:
        power_up(board)
        yield board


def test_with_nothing_on_it_a_pin_reads_what_pulls_at_it(board: EmulatedBoard) -> None:
    program = "print([Pin(27, Pin.IN, pull).value() for pull in (Pin.PULL_UP, Pin.PULL_DOWN, None)])"
    assert execute(board, INPUT + program).split() == ["[1,", "0,", "0]"]


def test_an_input_only_pin_has_no_pull(board: EmulatedBoard) -> None:
    assert execute(board, INPUT + "print(Pin(35, Pin.IN, Pin.PULL_UP).value())").strip() == "0"


def test_a_pin_that_becomes_an_input_is_no_longer_driven(board: EmulatedBoard) -> None:
    program = "pin = Pin(27, Pin.OUT, value=1)\nprint(pin.value(), Pin(27).value(), Pin(27, Pin.IN).value())"
    assert execute(board, INPUT + program).split() == ["1", "1", "0"]


def test_a_detector_holds_its_pin_and_a_cut_cable_leaves_it_to_the_resistor(board: EmulatedBoard) -> None:
    read = INPUT + f"print(Pin({LOOP}, Pin.IN).value())"
    assert execute(board, read).strip() == "0"
    _, chip = board.wiring.parts[DETECTOR]
    board.wiring.attach(board.board, DETECTOR, Cut(chip))  # type: ignore[arg-type]
    assert execute(board, read).strip() == "1"


def test_a_pin_changes_by_the_board_s_clock(board: EmulatedBoard) -> None:
    board.wiring.attach(board.board, DETECTOR, Square())
    program = (
        f"pin = Pin({LOOP}, Pin.IN)\nseen = []\nwas = pin.value()\n"
        "for _ in range(500):\n    time.sleep_ms(10)\n"
        "    if pin.value() != was:\n        was = 1 - was; seen.append(time.ticks_ms())\n"
        "print([round((b - a) / 100) for a, b in zip(seen, seen[1:])])"
    )
    told = execute(board, INPUT + program)
    assert told.strip() in ("[10, 10, 10]", "[10, 10, 10, 10]")
