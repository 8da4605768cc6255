"""`hadeda node`: provision a node at its serial port; list, show, command, revoke nodes. Exposes `app`, a group."""

import sys
from typing import Annotated, Any

import typer
from cryptography.hazmat.primitives.asymmetric import ec

from hadeda.board import Board, load
from hadeda.board.render import WINDOW_MIN_S
from hadeda.city import City
from hadeda.cli import output
from hadeda.cli.options import BoardOption, CityOption, JsonOption, KeyFileOption, NodeArgument, PortOption, YesOption
from hadeda.cli.unlock import open_city
from hadeda.envelope import labels
from hadeda.errors import CityError, PortError
from hadeda.provision import steps
from hadeda.registry import Node, find_node, nodes, revoke
from hadeda.registry.commands import OPERATIONS, queue
from hadeda.registry.nodes import select_node

app = typer.Typer(add_completion=False, no_args_is_help=True)

SIMPLE = ("report-now", "reboot", "locate")
DAY_S = 86400


@app.command("provision")
def provision_command(
    board: BoardOption,
    port: PortOption = None,
    name: Annotated[str, typer.Option("--name", help="What the city calls the node; else the start of its id.")] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Enrol a node of this city anew; its old identity is revoked.")
    ] = False,
    city_dir: CityOption = None,
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the board on PORT a node of the city: firmware, configuration, keys made on the node, enrolment.

    A board that is a node of this city already gets the newest firmware and keeps its keys.
    """
    if port is None:
        raise PortError("no serial port named", "give --port, such as /dev/ttyUSB0 or what `hadeda emulate` printed")
    described = load(board)
    with open_city(city_dir, key_file) as city:
        _ = city.collector_private  # a wrong passphrase must not be noticed halfway
        result = _provision(city, port, described, name, replace)
    record = {
        **describe(result.node),
        "micropython": ".".join(map(str, result.target.version)),
        "files": result.files,
        "files_sent": result.sent,
        "bytes_sent": result.bytes_sent,
    }
    output.emit(record, as_json, lambda: f"{result.node.name} is enrolled ({result.node.node_id[:16]}) and running")


def _provision(city: City, port: str, board: Board, name: str, replace: bool) -> steps.Provisioned:
    with output.progress("firmware", 100) as advance:
        percent = 0

        def progress(done: int, total: int) -> None:
            nonlocal percent
            now = 100 * done // max(total, 1)
            advance(now - percent)
            percent = now

        return steps.provision(port, board, city, name=name, replace=replace, step=output.say, progress=progress)


@app.command("list")
def list_command(city_dir: CityOption = None, as_json: JsonOption = False) -> None:
    """List the city's nodes, revoked ones too."""
    with City.open(city_dir) as city:
        rows = [describe(node) for node in nodes(city.database)]
    output.emit(
        rows,
        as_json,
        lambda: output.table(
            "",
            ["name", "id", "board", "firmware", "enrolled", "state"],
            [[r["name"], r["node_id"][:16], r["board"], r["firmware"], r["enrolled_at"], r["state"]] for r in rows],
        ),
    )


@app.command("show")
def show_command(node: NodeArgument, city_dir: CityOption = None, as_json: JsonOption = False) -> None:
    """Show one node: identity, board, firmware, what it samples."""
    with City.open(city_dir) as city:
        found = find_node(city.database, node)
    record = describe(found) | {"configuration": found.configuration}
    output.emit(
        record,
        as_json,
        lambda: output.table(record["name"], ["", ""], [[key, str(value)] for key, value in record.items()]),
    )


@app.command("revoke")
def revoke_command(
    node: NodeArgument,
    yes: YesOption = False,
    city_dir: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Accept nothing more from a node. It comes back only with a cable and a new identity."""
    with City.open(city_dir) as city:
        found = find_node(city.database, node)
        if not yes and sys.stdin.isatty():
            typer.confirm(f"Revoke {found.name}? Its reports will be refused from now on.", abort=True)
        gone = revoke(city.database, found.node_id)
    output.emit(describe(gone), as_json, lambda: f"{gone.name} is revoked; what it still sends goes to quarantine")


@app.command("command")
def command_command(
    node: NodeArgument,
    operation: Annotated[str, typer.Argument(metavar="OPERATION", help=f"One of {', '.join(SIMPLE)}, set-period.")],
    seconds: Annotated[
        int | None, typer.Argument(metavar="SECONDS", help="For set-period: a window's length; divides a day.")
    ] = None,
    city_dir: CityOption = None,
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign a command and leave it at the broker for the node's next session. `hadeda keys rotate` has its own."""
    number, arguments = _operation(operation, seconds)
    with open_city(city_dir, key_file) as city:
        found = find_node(city.database, node)
        _refuse_shorter(found, seconds)

        def command_key(thumb: bytes) -> ec.EllipticCurvePrivateKey:
            return city.keyring.private(labels.ROLE_COMMAND, thumb)

        if found.revoked_at is None:  # unlock before the transaction: a person may have to type
            command_key(bytes.fromhex(found.authorities[str(labels.ROLE_COMMAND)]))
        with city.database.write() as session:
            queued = queue(session, select_node(session, found.node_id), number, arguments, command_key)
    record = {
        "node": found.name,
        "operation": operation,
        "number": queued.number,
        "last_epoch": queued.last_epoch,
        "state": str(queued.state),
    }
    output.emit(
        record, as_json, lambda: f"{operation} waits for {found.name}: it hears of it in one of its next sessions"
    )


def _operation(name: str, seconds: int | None) -> tuple[int, dict[int, Any]]:
    """The operation's number and arguments; raises CityError."""
    if name == "set-period":
        if seconds is None:
            raise CityError("set-period needs the window's length", "give it in seconds, such as 1800")
        if not WINDOW_MIN_S <= seconds <= DAY_S or DAY_S % seconds:
            raise CityError(f"a window of {seconds} s does not divide a day", "take 900, 1800, 3600, 7200, ...")
        return OPERATIONS[name], {labels.SET_PERIOD_WINDOW: seconds}
    if name not in SIMPLE:
        raise CityError(f"nodes know no command {name}", f"one of {', '.join(SIMPLE)}, set-period")
    if seconds is not None:
        raise CityError(f"{name} takes no number", "leave it away")
    return OPERATIONS[name], {}


def _refuse_shorter(node: Node, seconds: int | None) -> None:
    provisioned = int(node.configuration.get("window_s", 0))
    if seconds is not None and seconds < provisioned:
        raise CityError(
            f"{node.name} was provisioned with windows of {provisioned} s and takes no shorter ones",
            "only a cable makes windows shorter",
        )


def describe(node: Node) -> dict[str, Any]:
    """A node's public facts."""
    return {
        "name": node.name,
        "node_id": node.node_id,
        "board": node.board,
        "firmware": node.firmware,
        "enrolled_at": node.enrolled_at.isoformat(timespec="seconds"),
        "state": "revoked" if node.revoked_at else "in service",
    }
