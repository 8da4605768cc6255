"""What `hadeda node security` and `hadeda node harden` do."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hadeda.board import Board, load, load_parts
from hadeda.city import City
from hadeda.cli import output
from hadeda.cli.options import CityOption, JsonOption, NodeArgument, PortOption
from hadeda.errors import FlashError
from hadeda.provision.port import only_one_in_sight
from hadeda.registry import Node, find_node
from hadeda.security import fuses, hardening
from hadeda.security.fuses import Fuses, Place
from hadeda.security.standing import CLOSED, SEALED, Standing, standing
from hadeda.security.whose import Known, is_node

VirtualOption = Annotated[
    Path | None,
    typer.Option("--virtual", metavar="FILE", help="espefuse's virtual eFuses in the place of a chip, for trials."),
]


def security_command(
    port: PortOption = None,
    virtual: VirtualOption = None,
    board: Annotated[
        str | None,
        typer.Option("--board", metavar="BOARD", help="Which board it is, which the chip does not say."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read what the chip on PORT says of its security, and say what a thief with it can and cannot do.

    The chip is put into its loader for that; afterwards it starts again.
    """
    described = load(board) if board else None
    chip = described.chip if described else None
    element = load_parts()[described.element.part].title if described and described.element else ""
    if virtual is not None and chip is None:
        raise FlashError("virtual eFuses do not say of which chip they are", "name a --board")
    now = standing(fuses.read(_place(port, virtual, chip)), element)
    output.emit(now.answer(), as_json, lambda: output.table(f"{now.profile}: {now.chip}", ["", ""], _rows(now)))


def harden_command(
    node: NodeArgument,
    port: PortOption = None,
    virtual: VirtualOption = None,
    profile: Annotated[
        str, typer.Option("--profile", help="closed: for stock MicroPython. sealed: for firmware that the city built.")
    ] = CLOSED,
    keys: Annotated[
        Path, typer.Option("--keys", metavar="DIR", help="For sealed: the firmware's images, and the keys made for it.")
    ] = Path(),
    run: Annotated[bool, typer.Option("--run", help="Run the steps, once the node's name has been typed.")] = False,
    city_dir: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the steps that harden NODE's chip, with what is irreversible about them; --run runs them.

    Nothing undoes them. A closed chip whose command key is lost is lost.
    """
    if profile not in hardening.PROFILES:
        raise FlashError(f"there is no profile {profile}", f"one of {', '.join(hardening.PROFILES)}")
    with City.open(city_dir) as city:
        found = find_node(city.database, node)
    board = load(found.board)
    place = _place(port, virtual, board.chip)
    before = fuses.read(place)
    if standing(before).profile == profile:  # of whatever chip it is: a sealed one does not say whose
        answer: dict[str, Any] = {"node": None, "chip": str(place), "profile": profile, "steps": [], "ran": False}
        output.emit(answer, as_json, lambda: f"{place} is {profile} already: there is nothing to do")
        return
    steps = hardening.steps(before, profile, found.name, keys)
    todo = hardening.pending(steps, before)
    if not as_json or run:
        _print(steps, todo, place, to_stdout=not as_json)
    if run:
        known = Known(keys, found.name) if profile == SEALED else None
        _require_node(place, board, found, before, known, hardening.keeps_flash(steps, todo))
        _confirm(found.name, profile, keys)
        if known is not None:
            known.keep(before.mac())
        hardening.run(place, board, todo, output.say)
        output.say(f"{place} is {profile}")
    rows = [_described(step, place, step in todo) for step in steps]
    answer = {"node": found.name, "chip": str(place), "profile": profile, "steps": rows, "ran": run}
    if as_json:
        output.print_json(answer)


def _place(port: str | None, virtual: Path | None, chip: str | None) -> Place:
    return Place(None if virtual else port or only_one_in_sight(), virtual, chip)


def _rows(now: Standing) -> list[list[str]]:
    return [
        ["flash encryption", now.flash_encryption],
        ["secure boot", now.secure_boot],
        ["download mode", now.download_mode],
        ["JTAG", now.jtag],
        ["key for NVS", now.nvs_key],
        ["for sealed it lacks", ", ".join(now.lacks) or "nothing"],
        ["a thief with it", now.can],
        ["but", now.cannot],
    ]


def _described(step: hardening.Step, place: Place, is_due: bool) -> dict[str, Any]:
    return {"what": step.what, "command": step.command(place), "irreversible": step.is_for_good, "due": is_due}


def _print(steps: list[hardening.Step], todo: list[hardening.Step], place: Place, to_stdout: bool) -> None:
    say = typer.echo if to_stdout else output.say
    for number, step in enumerate(steps, 1):
        mark = "done" if step not in todo else "FOR GOOD" if step.is_for_good else "due"
        say(f"{number:2}. [{mark}] {step.what}\n      {step.command(place)}")


def _require_node(place: Place, board: Board, node: Node, found: Fuses, known: Known | None, has_flash: bool) -> None:
    """Raise FlashError for another chip than the node's; its flash tells as long as it has one."""
    if known is not None:
        known.require(found.mac(), must_be=not has_flash)
    if place.port and has_flash and not is_node(place.port, board, node.identity):
        raise FlashError(f"the board on {place.port} is not {node.name}", "nothing was burned: plug that one in")


def _confirm(name: str, profile: str, folder: Path) -> None:
    """Raise FlashError unless all is there and the node's name is typed."""
    missing = [image for image in hardening.IMAGES if not (folder / image).exists()] if profile != CLOSED else []
    if missing:
        raise FlashError(
            f"{folder} lacks {', '.join(missing)}", "build MicroPython with secure boot and flash encryption"
        )
    typed = typer.prompt(f"Nothing undoes this. Type the node's name to make {name} {profile}", err=True)
    if typed != name:
        raise FlashError(f"{typed!r} is not the node's name", "nothing was burned")
