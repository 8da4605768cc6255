"""`hadeda node`: provision a node at its serial port; list, show, command, revoke nodes. Exposes `app`, a group."""

import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from cryptography.hazmat.primitives.asymmetric import ec

from hadeda.board import Board, load
from hadeda.city import City
from hadeda.city.new_network import read_network
from hadeda.city.policies import read_signed, set_policy
from hadeda.cli import hardening, locking, output
from hadeda.cli.options import BoardOption, CityOption, JsonOption, KeyFileOption, NodeArgument, PortOption, YesOption
from hadeda.cli.unlock import open_city
from hadeda.collect.explain import RESET_CAUSES
from hadeda.envelope import labels
from hadeda.errors import CityError
from hadeda.policy.compiled import decompile_floor
from hadeda.policy.files import read_floor
from hadeda.policy.schema import DAY_S
from hadeda.provision import steps
from hadeda.provision.port import only_one_in_sight
from hadeda.registry import Node, find_node, nodes, revoke
from hadeda.registry.commands import OPERATIONS, RESULTS, Command, commands, queue
from hadeda.registry.nodes import select_node
from hadeda.registry.outbox import gaps
from hadeda.registry.policies import window_s_of
from hadeda.registry.reports import StoredReport, reports

app = typer.Typer(add_completion=False, no_args_is_help=True)
app.command("lock")(locking.lock_command)
app.command("open")(locking.open_command)
app.command("security")(hardening.security_command)
app.command("harden")(hardening.harden_command)

OfflineOption = Annotated[
    bool, typer.Option("--offline", help="Leave the radio alone in the self-test: no Wi-Fi, time server and broker.")
]
SET_PERIOD = "set-period"
SET_POLICY = "set-policy"
SET_NETWORK = "set-network"
KNOWN = f"report-now, reboot, locate, {SET_PERIOD}, {SET_POLICY}, {SET_NETWORK}"
DIGITS_MAX = 9
TOLD_MAX = 20  # commands to look back on


@app.command("provision")
def provision_command(
    board: BoardOption,
    port: PortOption = None,
    name: Annotated[str, typer.Option("--name", help="What the city calls the node; else the start of its id.")] = "",
    policy: Annotated[
        Path | None,
        typer.Option("--policy", metavar="FILE.signed", help="What it may count; else the newest the city signed."),
    ] = None,
    floor: Annotated[
        Path | None, typer.Option("--floor", metavar="FILE.toml", help="Its floor; else floor.toml of the city.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Enrol a node of this city anew; its old identity is revoked.")
    ] = False,
    lock_chip: Annotated[
        bool,
        typer.Option("--lock-chip", help="Configure and lock a secure element that is new. Nothing undoes that."),
    ] = False,
    selftest: Annotated[
        bool, typer.Option("--selftest/--no-selftest", help="Test the node before it is started.")
    ] = True,
    offline: OfflineOption = False,
    lock: Annotated[
        bool,
        typer.Option("--lock", help="Lock its serial port when nothing failed; `hadeda node lock` does it later."),
    ] = False,
    city_dir: CityOption = None,
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the board on PORT a node of the city: firmware, configuration, keys made on the node, enrolment, self-test.

    A board that is a node of this city already gets the newest firmware, policy and floor, and keeps its keys. Over the
    cable a floor may be loosened. What fails in the self-test is said and undoes nothing: the exit status is that of
    provisioning, `hadeda node selftest` has its own.
    """
    from hadeda.cli.selftesting import Visit

    port = port or only_one_in_sight()
    described = load(board)
    with open_city(city_dir, key_file) as city:
        _ = city.collector_private  # a wrong passphrase must not be noticed halfway
        visit = Visit(city, selftest, offline, lock)
        wanted = {"name": name, "replace": replace, "policy": policy, "floor": floor, "lock_chip": lock_chip}
        result = _provision(city, port, described, visit=visit, **wanted)
    record = {
        **describe(result.node),
        "policy": result.node.policy,
        "micropython": ".".join(map(str, result.target.version)),
        "files": result.files,
        "files_sent": result.sent,
        "bytes_sent": result.bytes_sent,
        **visit.record(),
    }
    said = f"{result.node.name} is enrolled ({result.node.node_id[:16]}) and running{visit.words()}"
    output.emit(record, as_json, lambda: said)


def _provision(city: City, port: str, board: Board, **wanted: Any) -> steps.Provisioned:
    with output.progress("firmware", 100) as advance:
        percent = 0

        def progress(done: int, total: int) -> None:
            nonlocal percent
            now = 100 * done // max(total, 1)
            advance(now - percent)
            percent = now

        return steps.provision(port, board, city, step=output.say, progress=progress, **wanted)


@app.command("selftest")
def selftest_command(
    port: PortOption = None,
    offline: OfflineOption = False,
    city_dir: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Test the node on PORT: sensors, flash, keys, a sealed message, clock, Wi-Fi, broker. Exit status 1 if one fails.

    The node stops measuring for that, and its open window is lost; afterwards it starts again.
    """
    from hadeda.cli.selftesting import test

    test(port, city_dir, offline, as_json)


@app.command("label")
def label_command(
    node: NodeArgument,
    file: Annotated[
        Path | None, typer.Option("-o", metavar="FILE", help="A .svg, .pdf, .png or .html; else label-NODE.svg here.")
    ] = None,
    url: Annotated[
        str,
        typer.Option(
            "--url", metavar="URL", help="Where the code leads, {node} for the name; else it says both names."
        ),
    ] = "",
    city_dir: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a node's printable label, 62 x 29 mm: its name, its city, a QR code. There is nothing secret on it."""
    from hadeda.provision.node_label import write_label

    with City.open(city_dir) as city:
        found = find_node(city.database, node)
        file = file or Path(f"label-{quote(found.name, safe='')}.svg")
        code = write_label(found, city.settings.name, file, url)
    output.emit({"node": found.name, "file": file, "code": code}, as_json, lambda: f"{file}: its code says {code}")


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
    """Show one node: identity, board, firmware, what it samples, how it is, what it was told, what is lost."""
    with City.open(city_dir) as city:
        found = find_node(city.database, node)
        lost = [[gap.first, gap.last] for gap in gaps(city.database, found)]
        newest = reports(city.database, found.node_id, limit=1)
        with city.database.read() as session:
            told = {each.operation_name: _outcome(each) for each in reversed(commands(session, found, TOLD_MAX))}
    record = describe(found) | {
        "receipt": found.through,
        "lost": lost,
        "policy": found.policy,
        "floor": _floor_of(found),
        "configuration": found.configuration,
        "network": found.network or "as provisioned",
        "commands": told,
        "newest_report": _condition(newest[0]) if newest else None,
    }
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
    operation: Annotated[str, typer.Argument(metavar="OPERATION", help=f"One of {KNOWN}.")],
    argument: Annotated[
        str | None,
        typer.Argument(
            metavar="ARGUMENT",
            help="For set-period the window's length in seconds, divides a day; for set-policy FILE.signed; for "
            "set-network FILE.toml: some of [wifi] ssid, password and [broker] host, port, user, password.",
        ),
    ] = None,
    floor: Annotated[
        Path | None,
        typer.Option("--floor", metavar="FILE.toml", help="For set-policy: a floor, with the policy or alone."),
    ] = None,
    city_dir: CityOption = None,
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign a command and leave it at the broker for the node's next session. `hadeda keys rotate` has its own.

    A floor that is looser than the node's takes the release key beside the policy key. A new network holds only if it
    leads to the city within four sessions; keep the old one up until `hadeda node show` says "done".
    """
    if operation not in OPERATIONS or operation == "rotate":
        raise CityError(f"nodes know no command {operation}", f"one of {KNOWN}")
    if floor is not None and operation != SET_POLICY:
        raise CityError(f"{operation} takes no floor", f"it goes with {SET_POLICY}")
    with open_city(city_dir, key_file) as city:
        found = find_node(city.database, node)
        arguments = _arguments(city, found, operation, argument, floor)

        def command_key(thumb: bytes) -> ec.EllipticCurvePrivateKey:
            return city.keyring.private(labels.ROLE_COMMAND, thumb)

        if found.revoked_at is None:  # unlock before the transaction: a person may have to type
            command_key(bytes.fromhex(found.authorities[str(labels.ROLE_COMMAND)]))
        with city.database.write() as session:
            queued = queue(session, select_node(session, found.node_id), OPERATIONS[operation], arguments, command_key)
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


def _arguments(city: City, node: Node, operation: str, argument: str | None, floor: Path | None) -> dict[int, Any]:
    """What goes with the operation; raises CityError or PolicyError for what no node would do."""
    if operation == SET_PERIOD:
        return {labels.SET_PERIOD_WINDOW: _window_s(city, node, argument)}
    if operation == SET_POLICY:
        signed = read_signed(Path(argument)) if argument is not None else None
        if node.revoked_at is not None:
            raise CityError(f"node {node.name} was revoked", "a revoked node takes no commands")
        return set_policy(city, node, signed, read_floor(floor).model if floor is not None else None)
    if operation == SET_NETWORK:
        if argument is None:
            raise CityError("set-network needs a file", "passwords do not belong on a command line: write FILE.toml")
        return read_network(Path(argument))
    if argument is not None:
        raise CityError(f"{operation} takes no argument", "leave it away")
    return {}


def _window_s(city: City, node: Node, text: str | None) -> int:
    """The window's length that set-period is given; raises CityError."""
    if text is None:
        raise CityError("set-period needs the window's length", "give it in seconds, such as 1800")
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX else 0
    if not 0 < seconds <= DAY_S or DAY_S % seconds:
        raise CityError(f"a window of {text} s does not divide a day", "take 900, 1800, 3600, 7200, ...")
    with city.database.read() as session:
        least = window_s_of(session, node.policy)
    if seconds < least:
        raise CityError(
            f"{node.name} counts under a policy with windows of {least} s and takes no shorter ones",
            "only another policy makes windows shorter",
        )
    return seconds


def _outcome(command: Command) -> str:
    """What became of a command, in words."""
    return str(command.state) if command.result is None else RESULTS[command.result]


def _condition(report: StoredReport) -> dict[str, Any]:
    """How a node was when it made its newest report."""
    health = report.health
    return {
        "window_start": report.window_start.isoformat(timespec="seconds"),
        "clock": report.clock,
        "last_reset": RESET_CAUSES.get(health.reset_cause, str(health.reset_cause)),
        "safe_mode": health.safe_mode,
        "kernel": health.kernel,
        "heap_high_water_bytes": health.heap_high_water_bytes,
        "boots": health.boots,
    }


def _floor_of(node: Node) -> dict[str, Any] | None:
    """The floor that the node was last known to hold, as its file would say it."""
    return None if node.floor is None else decompile_floor(node.floor).model_dump(mode="json")


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
