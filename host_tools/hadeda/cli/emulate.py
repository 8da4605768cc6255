"""`hadeda emulate`: power up an emulated board and say where its serial port is. Exposes `command`."""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from hadeda.board import load
from hadeda.cli import output
from hadeda.cli.options import AirOption, BoardArgument, JsonOption, StreetOption
from hadeda.emulator.board import EmulatedBoard
from hadeda.emulator.interpreter import explain_inexact
from hadeda.emulator.serial_over_tcp import serve
from hadeda.emulator.serial_port import SerialPort
from hadeda.scenario import World

MORNING = datetime(2022, 6, 1, 8)


class Scenario(StrEnum):
    """The worlds there are."""

    STREET = "street"


def command(
    board: BoardArgument,
    flash: Annotated[
        Path | None, typer.Option("--flash", metavar="FILE", help="Flash image, made when not there; else in RAM.")
    ] = None,
    serial_link: Annotated[
        Path | None, typer.Option("--serial-link", metavar="PATH", help="A link to the serial port, by name.")
    ] = None,
    serial_tcp: Annotated[
        int | None,
        typer.Option("--serial-tcp", metavar="PORT", min=0, max=65535, help="The port with its lines, by RFC 2217."),
    ] = None,
    scenario: Annotated[  # noqa: ARG001  (there is one so far; --street and --air play other files)
        Scenario, typer.Option("--scenario", help="The world around the board.")
    ] = Scenario.STREET,
    start: Annotated[
        datetime, typer.Option("--start", formats=["%Y-%m-%dT%H:%M"], help="Street time at power-up.")
    ] = MORNING,
    street: StreetOption = None,
    air: AirOption = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Fix everything random; else the board has real randomness.")
    ] = None,
    stock_partitions: Annotated[
        bool, typer.Option("--stock-partitions", help="Divide the flash as a stock image: no partition for keys.")
    ] = False,
    download: Annotated[
        bool, typer.Option("--download", help="Power up with BOOT held: the ROM's loader waits for `board flash`.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Power up an emulated board: real MicroPython on made-up silicon, its sensors on a real street.

    Runs until Ctrl-C. Connect with plain mpremote: mpremote connect PORT repl
    """
    described = load(board)
    world = World(street, air, seed=seed or 0)
    serial = SerialPort(serial_link)
    with ExitStack() as standing:
        standing.callback(serial.close)
        emulated = EmulatedBoard(
            described,
            world,
            seed=seed,
            start_s=start.replace(tzinfo=UTC).timestamp(),
            flash_file=flash,
            serial=serial,
            stock_partitions=stock_partitions,
        )
        standing.pop_all()  # it closes its port itself
        standing.callback(emulated.close)
        if not emulated.interpreter.exact:
            output.say(explain_inexact())
        port = str(serial_link or serial.path)
        if serial_tcp is not None:
            served = serve(emulated, serial_tcp)
            standing.callback(served.close)
            port = served.url
        answer = {"board": described.name, "port": port, "micropython": emulated.interpreter.version}
        text = f"{described.title} on {port} (MicroPython {answer['micropython']})"
        _run(emulated, download, lambda: output.emit(answer, as_json, lambda: text))


def _run(emulated: EmulatedBoard, download: bool, say: Callable[[], None]) -> None:
    """Plug it in, say where it is, and let it live until a signal ends it."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        emulated.stop()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    emulated.power_on(download)
    say()
    if download:
        output.say("it is in its ROM's loader; once it is flashed, start it again without --download")
    emulated.run()
