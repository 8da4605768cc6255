"""`hadeda node`: provision a node through its serial port; list, show and revoke nodes. Exposes `app`, a group."""

import sys
from typing import Annotated, Any

import typer

from hadeda.board import load
from hadeda.city import City
from hadeda.cli import output
from hadeda.cli.options import BoardOption, CityOption, JsonOption, PortOption
from hadeda.errors import PortError
from hadeda.provision import steps
from hadeda.registry import Node, find_node, nodes, revoke

app = typer.Typer(add_completion=False, no_args_is_help=True)

NodeArgument = Annotated[str, typer.Argument(metavar="NODE", help="A node's name, or the beginning of its id.")]


@app.command("provision")
def provision_command(
    board: BoardOption,
    port: PortOption = None,
    name: Annotated[str, typer.Option("--name", help="What the city calls the node; else the start of its id.")] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Enrol a node of this city anew; its old identity is revoked.")
    ] = False,
    city_dir: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the board on PORT a node of the city: firmware, configuration, keys made on the node, enrolment.

    A board that is a node of this city already gets the newest firmware and keeps its keys.
    """
    if port is None:
        raise PortError("no serial port named", "give --port, such as /dev/ttyUSB0 or what `hadeda emulate` printed")
    described = load(board)
    with City.open(city_dir) as city, output.progress("firmware", 100) as advance:
        percent = 0

        def progress(done: int, total: int) -> None:
            nonlocal percent
            now = 100 * done // max(total, 1)
            advance(now - percent)
            percent = now

        result = steps.provision(port, described, city, name=name, replace=replace, step=output.say, progress=progress)
    record = {
        **describe(result.node),
        "micropython": ".".join(map(str, result.target.version)),
        "files": result.files,
        "files_sent": result.sent,
        "bytes_sent": result.bytes_sent,
    }
    output.emit(record, as_json, lambda: f"{result.node.name} is enrolled ({result.node.node_id[:16]}) and running")


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
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
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
