"""`hadeda keys`: list, rotate and protect the city's keys and the nodes'; revoke a node. Exposes `app`, a group."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hadeda.city import City
from hadeda.city.keyring import ROLE_NAMES, CityKey
from hadeda.city.rotation import NodeStep, Plan, behind, carry_out, erase_retired_keys, key_state, plan, users
from hadeda.cli import output, unlock
from hadeda.cli.node import revoke_command
from hadeda.cli.options import CityOption, JsonOption, KeyFileOption, YesOption
from hadeda.errors import CityError
from hadeda.registry import find_node, nodes
from hadeda.registry.epochs import standing
from hadeda.registry.nodes import select_node

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

app = typer.Typer(add_completion=False, no_args_is_help=True)
app.command("revoke")(revoke_command)

RoleOption = Annotated[
    list[str] | None,
    typer.Option("--role", metavar="ROLE", help=f"A city key: {', '.join(ROLE_NAMES.values())}. May be repeated."),
]


@app.command("list")
def list_command(city_dir: CityOption = None, as_json: JsonOption = False) -> None:
    """List the city's keys and every node's; erases retired city keys that no node needs any more."""
    with City.open(city_dir) as city:
        erased = erase_retired_keys(city)
        counts = users(city)
        keys = [_describe_key(city, entry, counts) for entry in city.keyring.entries]
        known = [_describe_node(city, node.node_id) for node in nodes(city.database)]
    data = {"keys": keys, "nodes": known, "erased": [entry.thumbprint for entry in erased]}
    output.emit(data, as_json, lambda: _draw_list(keys, known))
    for entry in erased:
        output.say(f"erased: the old {entry.role_name} key {entry.thumbprint.hex()[:16]}, which no node uses any more")


@app.command("rotate")
def rotate_command(
    node: Annotated[str | None, typer.Argument(metavar="NODE", help="A node's name or id.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every node in service.")] = False,
    role: RoleOption = None,
    identity: Annotated[bool, typer.Option("--identity", help="Nodes make a new identity key, too.")] = False,
    compromised: Annotated[
        bool,
        typer.Option("--compromised", help="Once a node has new keys, what was sealed with its older ones is refused."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; write nothing.")] = False,
    yes: YesOption = False,
    city_dir: CityOption = None,
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Agree on fresh keys with NODE or --all nodes, or replace one of the city's own keys (--role, for every node).

    The commands wait at the broker until each node's next session. A node that missed an earlier rotation is told the
    city's current keys again.
    """
    roles = [_role(name) for name in role or []]
    _refuse_unclear(node, every, roles)
    with unlock.open_city(city_dir, key_file) as city:
        chosen = [find_node(city.database, node)] if node is not None else nodes(city.database)
        planned = plan(city, chosen, roles=roles, identity=identity, compromised=compromised)
        if node is not None and planned.steps[0].skipped:
            raise CityError(f"{chosen[0].name} cannot be told: {planned.steps[0].skipped}", "see `hadeda keys list`")
        if dry_run:
            output.emit(_plan_data(planned, True), as_json, lambda: _draw_plan(planned, "would be queued"))
            return
        if not yes and unlock.at_terminal():
            output.console(stderr=True).print(_draw_plan(planned, "to be queued"))
            typer.confirm("Go ahead?", abort=True, err=True)
        away = [name for name in _names(roles) if _lives_elsewhere(city, name)]
        carry_out(city, planned)
        erased = erase_retired_keys(city)
    data = _plan_data(planned, False) | {"erased": [entry.thumbprint for entry in erased]}
    output.emit(data, as_json, lambda: _draw_plan(planned, "queued"))
    for name in away:
        output.say(f"the old {name} key lives elsewhere; the new one is in {city.keyring.folder}: move it there too")


@app.command("protect")
def protect_command(
    role: RoleOption = None,
    new_key_file: Annotated[
        Path | None,
        typer.Option("--new-key-file", metavar="FILE", help="Encrypt with what this file holds; made if not there."),
    ] = None,
    unprotected: Annotated[bool, typer.Option("--unprotected", help="Keep the keys in the clear.")] = False,
    city_dir: CityOption = None,
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Encrypt the city's private keys under another passphrase: all of them, or those of some roles."""
    roles = [_role(name) for name in role or []]
    with unlock.open_city(city_dir, key_file) as city:
        for one in roles or ROLE_NAMES:
            city.keyring.privates(one)  # opened with the old passphrase before the new one is asked for
        passphrase = unlock.new_passphrase(new_key_file, unprotected, "--new-key-file")
        for one in roles or ROLE_NAMES:
            city.keyring.protect(one, passphrase)
        if not roles:
            city.protect_authority(passphrase)
        names = [ROLE_NAMES[one] for one in roles or ROLE_NAMES] + ([] if roles else ["tls-authority"])
    how = "in the clear now" if passphrase is None else "encrypted under the new passphrase"
    output.emit({"roles": names, "protected": passphrase is not None}, as_json, lambda: f"{', '.join(names)}: {how}")


def _role(name: str) -> int:
    for role, known in ROLE_NAMES.items():
        if known == name:
            return role
    raise CityError(f"the city has no {name} key", f"a role is one of {', '.join(ROLE_NAMES.values())}")


def _refuse_unclear(node: str | None, every: bool, roles: list[int]) -> None:
    if node is not None and (every or roles):
        raise CityError(
            "a node and all nodes are named at once", "a city's key (--role) is replaced for every node, so is --all"
        )
    if node is None and not every and not roles:
        raise CityError("nothing says whose keys are to be rotated", "name a node, or give --all or --role ROLE")


def _lives_elsewhere(city: City, name: str) -> bool:
    return (city.keyring.folder / city.keyring.entry(_role(name)).file_name).is_symlink()


def _describe_key(city: City, entry: CityKey, counts: dict[str, int]) -> dict[str, Any]:
    try:
        protected, where = city.keyring.file(entry).protected, "here"
    except CityError as problem:
        protected, where = None, problem.message
    return {
        "role": entry.role_name,
        "thumbprint": entry.thumbprint.hex(),
        "state": entry.state.value,
        "protected": protected,
        "file": where,
        "created": entry.created,
        "nodes": counts.get(entry.thumbprint.hex(), 0),
    }


def _describe_node(city: City, node_id: str) -> dict[str, Any]:
    with city.database.read() as session:
        node = select_node(session, node_id)
        stands = standing(session, node)
        return {
            "name": node.name,
            "node_id": node.node_id,
            "epoch": stands.epoch,
            "ratchets": stands.ratchets,
            "state": key_state(city, session, node),
            "behind": [ROLE_NAMES[role] for role in behind(city, node)],
            "last_heard": node.heard_at,
        }


def _draw_list(keys: list[dict[str, Any]], known: list[dict[str, Any]]) -> "Group":
    from rich.console import Group

    protection = {True: "passphrase", False: "in the clear", None: "?"}
    return Group(
        output.table(
            "the city's keys",
            ("role", "thumbprint", "state", "protection", "made", "nodes", ""),
            (
                (
                    row["role"], row["thumbprint"][:16], row["state"], protection[row["protected"]],
                    _day(row["created"]), row["nodes"], None if row["file"] == "here" else row["file"],
                )
                for row in keys
            ),
        ),
        output.table(
            "the nodes' keys",
            ("node", "epoch", "ratchets", "state", "last heard"),
            (
                (row["name"], row["epoch"], row["ratchets"], row["state"], _minute(row["last_heard"]))
                for row in known
            ),
        ),
    )  # fmt: skip


def _plan_data(planned: Plan, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "new_city_keys": _names(planned.roles),
        "identity": planned.identity,
        "compromised": planned.compromised,
        "nodes": [_step_data(step) for step in planned.steps],
    }


def _step_data(step: NodeStep) -> dict[str, Any]:
    return {
        "node": step.node,
        "node_id": step.node_id,
        "skipped": step.skipped or None,
        "before": step.before or None,
        "tells": _names(step.tells),
        "signed_by": step.signed_by,
        "epoch": step.epoch,
        "last_heard": step.last_heard,
        "done_by": step.done_by,
    }


def _draw_plan(planned: Plan, verb: str) -> "RenderableType":
    rows: list[tuple[object, ...]] = []
    for step in planned.steps:
        if step.skipped:
            rows.append((step.node, step.epoch, f"nothing: {step.skipped}", None, None))
            continue
        brings = ["a new identity"] * planned.identity + [f"the new {name} key" for name in _names(step.tells)]
        what = "fresh keys" + (", with " + " and ".join(brings) if brings else "")
        what += f" ({step.before})" if step.before else ""
        after = "some windows after it reports again" if step.done_by is None else _minute(step.done_by)
        rows.append((step.node, step.epoch, what, step.signed_by.hex()[:16], after))
    made = f"new city keys: {', '.join(_names(planned.roles))}; " if planned.roles else ""
    closing = "; what older keys sealed is refused afterwards" if planned.compromised else ""
    queued = sum(not step.skipped for step in planned.steps)
    title = f"{made}{queued} commands {verb}{closing}"
    return output.table(title, ("node", "epoch", "gets", "signed by command key", "done by about"), rows)


def _names(roles: Iterable[int]) -> list[str]:
    return [ROLE_NAMES[role] for role in roles]


def _day(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%d")


def _minute(when: datetime | None) -> str:
    return "never" if when is None else when.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
