"""`hadeda emulate`: power up an emulated board and say where its serial port is. Exposes `command`."""

import signal
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from hadeda.board import load
from hadeda.cli import output
from hadeda.cli.options import AirOption, BoardArgument, JsonOption, StreetOption
from hadeda.emulator.board import EmulatedBoard
from hadeda.emulator.interpreter import explain_inexact
from hadeda.emulator.serial_port import SerialPort
from hadeda.scenario import World


def command(
    board: BoardArgument,
    flash: Annotated[
        Path | None, typer.Option("--flash", metavar="FILE", help="Flash image, made when not there; else in RAM.")
    ] = None,
    serial_link: Annotated[
        Path | None, typer.Option("--serial-link", metavar="PATH", help="A link to the serial port, by name.")
    ] = None,
    street: StreetOption = None,
    air: AirOption = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Fix everything random; else the board has real randomness.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Power up an emulated board: real MicroPython on made-up silicon, its sensors on a real street.

    Runs until Ctrl-C. Connect with plain mpremote: mpremote connect PORT repl
    """
    described = load(board)
    world = World(street, air, seed=seed or 0)
    serial = SerialPort(serial_link)
    try:
        emulated = EmulatedBoard(described, world, seed=seed, flash_file=flash, serial=serial)
    except BaseException:
        serial.close()
        raise
    if not emulated.interpreter.exact:
        output.say(explain_inexact())

    def stop(_number: int, _frame: FrameType | None) -> None:
        emulated.stop()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    port = str(serial_link or serial.path)
    try:
        emulated.power_on()
        answer = {"board": described.name, "port": port, "micropython": emulated.interpreter.version}
        output.emit(answer, as_json, lambda: f"{described.title} on {port} (MicroPython {answer['micropython']})")
        emulated.run()
    finally:
        emulated.close()
