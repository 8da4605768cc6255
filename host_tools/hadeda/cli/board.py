"""`hadeda board`: list, show, check and start boards, regenerate their pages, flash them, budget their power."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from hadeda import board as boards
from hadeda.board import check as checking
from hadeda.board import page as pages
from hadeda.board import start as starting
from hadeda.board.energy import BOOT_S
from hadeda.board.problems import Problem, shown
from hadeda.board.schema import Name, controller, speed
from hadeda.cli import output
from hadeda.cli.options import BoardArgument, JsonOption, PortOption, SeedOption
from hadeda.errors import BoardError
from hadeda.paths import BOARDS
from hadeda.power.winter import Site

if TYPE_CHECKING:
    from rich.console import RenderableType

FirmwareOption = Annotated[
    Path | None, typer.Option("--firmware", metavar="FILE", help="MicroPython's official .bin for the board.")
]

app = typer.Typer(help="The boards Hadeda knows: what is wired where, and what the node may use.", no_args_is_help=True)


@app.command("list")
def list_boards(as_json: JsonOption = False) -> None:
    """List the boards of this checkout, one line each."""
    found = [boards.load(name) for name in boards.names()]
    data = [
        {
            "name": board.name,
            "title": board.title,
            "chip": board.chip,
            "flash_mb": board.flash_mb,
            "image": board.micropython.image,
            "sensors": [sensor.part for sensor in board.sensors],
        }
        for board in found
    ]
    rows = [[" ".join(cell) if isinstance(cell, list) else cell for cell in row.values()] for row in data]
    columns = ("board", "title", "chip", "flash MB", "MicroPython", "sensors")
    output.emit(data, as_json, lambda: output.table("", columns, rows))


@app.command()
def show(name: BoardArgument, as_json: JsonOption = False) -> None:
    """Show a board: its sensors, pins, buses and budgets. Reports everything that is wrong with a board.toml."""
    board = boards.load(name)
    output.emit(_described(board), as_json, lambda: _drawn(board))


@app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="[BOARD]...", help="Boards; else every board.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say everything that is wrong with board files and their pages, at once; fails when there is anything."""
    found = {name: [str(problem) for problem in _wrong(name)] for name in names or boards.names()}
    if as_json:
        output.print_json(found)
    for name, problems in found.items():
        for problem in problems if not as_json else ():
            output.say(f"{shown(boards.board_file(name))}: {problem}")
        if not problems and not as_json:
            output.say(f"{name}: nothing is wrong")
    if any(found.values()):
        raise typer.Exit(1)


def _wrong(name: str) -> list[Problem]:
    problems = checking.check(name)
    if not problems and name in boards.names() and pages.is_stale(name):
        return [Problem("", "", f"{pages.PAGE} is out of date", f"run `hadeda board page {name}`")]
    return problems


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new board's name, which is its folder's.")],
    base: Annotated[str, typer.Option("--from", metavar="BASE", help="The board that it is like.")],
    folder: Annotated[
        Path, typer.Option("--in", metavar="DIR", help="Where board folders are.", show_default="boards/")
    ] = BOARDS,
) -> None:
    """Write the start of a board that inherits from another: a few lines, and what may differ as comments."""
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise BoardError(f"{name!r} is no name for a board", "lower-case words and numbers joined by -") from error
    file = starting.write(name, base, folder)
    output.say(f"{shown(file)}: written; change it, then: hadeda board check {name if folder == BOARDS else file}")


@app.command()
def page(
    name: Annotated[str | None, typer.Argument(metavar="[BOARD]", help="A board; without it, every board.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when a page is out of date.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Regenerate a board's README.md from its board.toml and parts.toml."""
    chosen = [name] if name is not None else boards.names()
    stale = [board for board in chosen if pages.is_stale(board)]
    if check and stale:
        files = ", ".join(shown(pages.page_file(board)) for board in stale)
        raise BoardError(f"out of date: {files}", "run `hadeda board page`")
    for board in stale:
        pages.page_file(board).write_text(pages.page(boards.load(board), boards.load_parts()), encoding="utf-8")
    if as_json:
        output.print_json({"checked": chosen, "written": stale})
        return
    for board in chosen:
        state = "written" if board in stale else "up to date"
        output.say(f"{shown(pages.page_file(board))}: {state}")


@app.command()
def flash(
    name: BoardArgument,
    firmware: Annotated[Path, typer.Option("--firmware", metavar="FILE", help="MicroPython's official .bin for it.")],
    port: PortOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Erase a node's keys, too, if there are any.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put MicroPython and our partition table on a board; everything else on it is erased.

    Chip, flash size and file are compared with board.toml before anything is changed. Without --port the only board
    that is plugged in is taken.
    """
    from hadeda.cli.flashing import put

    put(name, firmware, port, yes, as_json)


@app.command()
def image(
    name: Annotated[str | None, typer.Argument(metavar="[BOARD]", help="The board to make an image for.")] = None,
    firmware: FirmwareOption = None,
    to: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="The image to write.")] = None,
    inspect: Annotated[Path | None, typer.Option("--inspect", metavar="FILE", help="Take an image apart.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make the whole flash image of a board as it is flashed, with the node's code on it; or take one apart.

    Any programmer can write it, `hadeda emulate --flash` boots it; provisioning then sends keys and configuration.
    """
    from hadeda.cli.flashing import make, take_apart

    if inspect is not None and (name, firmware, to) == (None, None, None):
        take_apart(inspect, as_json)
    elif name is not None and firmware is not None and to is not None and inspect is None:
        make(name, firmware, to, as_json)
    else:
        raise typer.BadParameter("say BOARD --firmware FILE -o FILE, or --inspect FILE")


@app.command()
def power(
    name: BoardArgument,
    policy: Annotated[Path, typer.Option("--policy", metavar="FILE", help="The policy it would live under.")],
    windows: Annotated[int, typer.Option("--windows", min=1, max=96, help="So many windows are measured.")] = 4,
    boot: Annotated[float, typer.Option("--boot", metavar="S", min=0, help="From deep sleep to a sample.")] = BOOT_S,
    panel: Annotated[float, typer.Option("--panel", metavar="W", min=0.1, help="The panel's rating.")] = 20.0,
    battery: Annotated[float, typer.Option("--battery", metavar="WH", min=0.1, help="What the battery holds.")] = 100.0,
    latitude: Annotated[float, typer.Option("--latitude", min=-66, max=66, help="Where it stands.")] = 50.9,
    sun: Annotated[float, typer.Option("--sun", min=0, max=1, help="The share of a clear sky there is.")] = 0.25,
    picture: Annotated[Path | None, typer.Option("--picture", metavar="FILE.svg", help="Else in this folder.")] = None,
    seed: SeedOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Budget a day in mAh: the datasheets' currents, the times of an emulated node, always on and with deep sleep.

    And one winter's day with a panel and a battery, as a picture. Firmware that sleeps deeply is not there yet.
    """
    from hadeda.cli.powering import Wish, budget

    site = Site(latitude, sun, panel, battery)
    budget(Wish(name, policy, windows, boot, site, picture, seed), as_json)


def _described(board: boards.Board) -> dict[str, Any]:
    """board.toml as data, with what follows from it."""
    found = board.model_dump(by_alias=True, exclude_none=True, mode="json")
    return found | {"filesystem_kb": board.filesystem_kb}


def _drawn(board: boards.Board) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    parts = boards.load_parts()
    image, budgets = board.micropython, board.budgets
    sensors = [
        (
            parts[sensor.part].title,
            sensor.bus or "",
            "" if sensor.address is None else f"0x{sensor.address:02x}",
            f"every {sensor.period_s} s" if sensor.period_s else "as it happens",
            parts[sensor.part].current.supply,
            ", ".join(channel.name for channel in parts[sensor.part].channel),
        )
        for sensor in board.sensors
    ]
    pins = [
        (f"GPIO{pin}", board.header_of(pin), name, key, controller(bus), speed(bus))
        for name, bus in board.buses.items()
        for key, (pin, _drives) in bus.pins().items()
    ]
    limits = [
        ("heap", f"{budgets.heap_kb} KB"),
        ("firmware", f"{budgets.firmware_kb} KB"),
        ("outbox", f"{budgets.outbox_kb} KB"),
        ("file system", f"{board.filesystem_kb} KB of {board.flash_mb * 1024} KB flash"),
    ]
    return Group(
        Text(f"{board.title} ({board.name})", style="bold"),
        Text(f"{board.maker}, {board.silicon.title}, MicroPython {image.image} {image.min_version} or later"),
        Text(f"Identity key in {_keeper(board, parts)}\n"),
        output.table("Sensors", ("part", "bus", "address", "read", "supply", "measures"), sensors),
        output.table("Pins", ("pin", "header", "bus", "signal", "controller", "speed"), pins),
        output.table("Budgets", ("what", "at most"), limits),
    )


def _keeper(board: boards.Board, parts: dict[str, boards.Part]) -> str:
    element = board.element
    return f"an {parts[element.part].title} on {element.bus}, 0x{element.address:02x}" if element else "the flash"
