"""What the board's LED shows can be seen from outside: colours, blinking, and what resets do to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from emulator_bench import execute, on_bench, power_up, run_until

from hadeda.board import Board, load
from hadeda.emulator.board import EmulatedBoard
from hadeda.emulator.led import Led

PIXEL = "import machine, neopixel, time\nlamp = neopixel.NeoPixel(machine.Pin(38, machine.Pin.OUT), 1)\n"
PLAIN = Board.model_validate(
    load("esp32-devkitc-v4").model_dump(by_alias=True) | {"led": {"kind": "gpio", "pin": 27}}, strict=False
)


@pytest.fixture
def board() -> Iterator[EmulatedBoard]:
    with on_bench(board=load("esp32-s3-devkitc-1")) as board:
        power_up(board)
        yield board


@pytest.fixture
def plain() -> Iterator[EmulatedBoard]:
    with on_bench(board=PLAIN) as board:
        power_up(board)
        yield board


def led(board: EmulatedBoard) -> Led:
    assert board.wiring.led is not None
    return board.wiring.led


def test_a_pixel_shows_what_was_written_to_it(board: EmulatedBoard) -> None:
    execute(board, PIXEL + "lamp[0] = (9, 8, 7)")
    assert not led(board).lit, "not written yet"
    execute(board, "lamp.write()")
    assert led(board).shown == (9, 8, 7)


def test_blinking_can_be_counted_and_timed(board: EmulatedBoard) -> None:
    program = "for at in range(6):\n    lamp[0] = (0, 0, 50 * (at % 2 == 0)); lamp.write(); time.sleep_ms(500)"
    execute(board, PIXEL + program)
    moments, colours = zip(*led(board).changes, strict=True)
    assert colours == ((0, 0, 50), (0, 0, 0)) * 3
    assert moments[-1] - moments[0] == pytest.approx(2.5, abs=0.1)


def test_bits_out_of_another_pin_do_not_reach_it(board: EmulatedBoard) -> None:
    execute(board, PIXEL.replace("38", "6") + "lamp[0] = (1, 1, 1); lamp.write()")
    assert not led(board).lit


def test_a_pixel_outlives_a_reset_and_not_the_supply(board: EmulatedBoard) -> None:
    execute(board, PIXEL + "lamp[0] = (1, 0, 0); lamp.write()")
    board.type(b"import machine; machine.reset()\x04")
    run_until(board, lambda: len(board.resets) == 2)
    assert led(board).lit
    board.power_off()
    assert not led(board).lit


def test_a_plain_led_is_lit_when_its_pin_is_high_and_out_after_a_reset(plain: EmulatedBoard) -> None:
    execute(plain, "import machine\npin = machine.Pin(27, machine.Pin.OUT)\npin.on()")
    assert led(plain).shown == (255,)
    execute(plain, "pin.off()")
    assert not led(plain).lit
    execute(plain, "pin.value(1)")
    plain.type(b"machine.reset()\x04")
    run_until(plain, lambda: len(plain.resets) == 2)
    assert not led(plain).lit


def test_a_board_without_an_led_has_none() -> None:
    with on_bench() as board:
        assert board.wiring.led is None
