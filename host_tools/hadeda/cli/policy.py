"""`hadeda policy`: check, explain, measure, sign and document a policy. Exposes `app`, a group."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hadeda.board.problems import shown
from hadeda.cli import output
from hadeda.cli.options import CityOption, JsonOption, KeyFileOption, SeedOption, StreetOption
from hadeda.errors import PolicyError
from hadeda.policy.files import FLOOR_FILE, POLICIES, floor_beside, read_floor, read_policy
from hadeda.policy.problems import Finding, PolicyFileError, place
from hadeda.policy.schema import MicroRelease, decimal_text, micro_units

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hadeda.policy.schema import Policy
    from hadeda.policy.street import Street
    from hadeda.policy.utility import Row

app = typer.Typer(add_completion=False, no_args_is_help=True)

PolicyArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A policy, such as policies/street.toml.")]
FloorOption = Annotated[
    Path | None,
    typer.Option("--floor", metavar="FILE", help="The nodes' floor; else floor.toml beside FILE, else the project's."),
]
PictureOption = Annotated[
    Path | None, typer.Option("--picture", metavar="FILE.svg", help="Write the picture here; else in this folder.")
]


@app.command("lint")
def lint_command(
    file: PolicyArgument,
    floor: FloorOption = None,
    street: StreetOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Look for contradictions, values below the floor, and cells that a real street does not fill. Exit 1 on errors."""
    from hadeda.policy.lint import lint, outlook

    floor_file = floor_beside(file, floor) or POLICIES / "floor.toml"
    cells: list[dict[str, Any]] = []
    broken = file
    try:
        policy = read_policy(file)
        broken = floor_file
        bottom = read_floor(floor_file)
        played = _street(policy.model, street, seed)
        found = lint(policy, bottom, played)
        broken = file
        if played.known.any():
            cells = [row.as_data() for row in outlook(policy.model, played)]
    except PolicyFileError as error:
        found = list(error.findings)
    errors = sum(finding.severity == "error" for finding in found)
    if as_json:
        rows = [_finding(broken, finding) for finding in found]
        output.print_json({"file": file, "floor": floor_file, "ok": not errors, "findings": rows, "cells": cells})
    else:
        for finding in found:
            typer.echo(f"{place(broken, finding)}: {finding.severity}: {finding}")
        warnings = len(found) - errors
        verdict = f"{_number(errors, 'error')}, {_number(warnings, 'warning')}"
        output.say(f"{shown(file)} over {shown(floor_file)}: {verdict}")
    if errors:
        raise typer.Exit(1)


@app.command()
def explain(
    file: PolicyArgument,
    street: StreetOption = None,
    seed: SeedOption = 0,
    picture: PictureOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say in plain words what leaves a node under this policy, what never does, and how exact a count still is."""
    from hadeda.policy.explain import day_of, explanation
    from hadeda.policy.pictures import draw_day

    policy = read_policy(file).model
    played = _known_street(policy, street, seed)
    day = day_of(policy, played, seed)
    drawn = picture or Path(f"{file.stem}-explained.svg")
    draw_day(policy, day, drawn)
    data = explanation(policy, played, day) | {"picture": drawn}
    output.emit(data, as_json, lambda: _explained(data, [day.clock(window) for window in day.hours()], day.rows()))
    if not as_json:
        output.say(f"picture of the whole day: {drawn}")


@app.command()
def utility(
    file: PolicyArgument,
    epsilon: Annotated[
        list[str] | None, typer.Option("--epsilon", metavar="NUMBER", help="Per window; give it several times.")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=10_000, help="Median over so many draws.")] = 50,
    street: StreetOption = None,
    seed: SeedOption = 0,
    picture: PictureOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure, on a real month, how far the city's hourly, daily and weekly sums are from the truth."""
    from hadeda.policy.pictures import draw_utility
    from hadeda.policy.utility import SAMPLER
    from hadeda.policy.utility import utility as measure

    policy = read_policy(file).model
    wanted = [_epsilon(text) for text in epsilon or ("0.5", "1", "2")]
    played = _known_street(policy, street, seed)
    with output.progress("drawing noise", len(wanted) * seeds) as advance:
        rows = measure(policy, played, wanted, seeds, advance)
    drawn = picture or Path(f"{file.stem}-utility.svg")
    draw_utility(policy, rows, drawn)
    data = {
        "policy": policy.name,
        "k": policy.traffic.k,
        "window_s": policy.window_s,
        "seeds": seeds,
        "sampler": SAMPLER,
        "rows": [row.as_data() for row in rows],
        "picture": drawn,
    }
    output.emit(data, as_json, lambda: _measured(policy, rows, seeds))
    if not as_json:
        output.say(f"noise by {SAMPLER}; picture: {drawn}")


@app.command()
def sign(
    file: PolicyArgument,
    city_dir: CityOption = None,
    key_file: KeyFileOption = None,
    floor: Annotated[
        Path | None,
        typer.Option("--floor", metavar="FILE", help="Sign nothing below this floor; else the city's floor.toml."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Sign a policy with the city's policy key and record it: new nodes get it from now on. Writes FILE.signed.

    Nodes in service get it with `hadeda node command NODE set-policy FILE.signed`.
    """
    from hadeda.city.policies import sign as sign_for
    from hadeda.cli.unlock import open_city
    from hadeda.policy.lint import lint
    from hadeda.policy.signing import SIGNED_SUFFIX

    policy = read_policy(file)
    with open_city(city_dir, key_file) as city:
        floor_file = floor or city.directory / FLOOR_FILE
        found = lint(policy, read_floor(floor_file))
        errors = [finding for finding in found if finding.severity == "error"]
        if errors:
            raise PolicyFileError(file, errors)
        row = sign_for(city, policy)
    target = file.with_name(file.name + SIGNED_SUFFIX)
    try:
        target.write_bytes(row.signed)
    except OSError as error:
        raise PolicyError(f"{target} cannot be written ({error.strerror})", "make its folder writable") from error
    if as_json:
        data = {"signed": target, "bytes": len(row.signed), "version": row.version, "city": row.content.city}
        output.print_json(data | {"floor": floor_file})
    else:
        output.say(f"{row.name} {row.version} signed over {shown(floor_file)}: {target}, {len(row.signed)} bytes")


@app.command()
def report(
    file: PolicyArgument,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write the record here; else in this folder.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the data-protection record of a policy, as HTML and as Markdown: what the law asks and what shows it."""
    from hadeda.policy.record import load_record, write_record

    policy = read_policy(file).model
    record = load_record()
    written = write_record(policy, record, out or Path())
    if as_json:
        output.print_json({"written": written, "rows": len(record.rows), "to_sign": record.to_sign})
        return
    output.say(f"{len(record.rows)} rows, of which {record.to_sign} wait for a person: {', '.join(map(str, written))}")


def _street(policy: "Policy", street: Path | None, seed: int) -> "Street":
    from hadeda.policy.street import Street
    from hadeda.scenario import World

    return Street.of(policy, World(street, seed=seed))


def _known_street(policy: "Policy", street: Path | None, seed: int) -> "Street":
    """As _street; raises PolicyError for a street on which nobody ever counted."""
    played = _street(policy, street, seed)
    if not played.known.any():
        raise PolicyError("the street file knows no hour", "play another one with --street")
    return played


def _epsilon(text: str) -> int:
    """A number of the command line as micro-units; raises PolicyError."""
    from decimal import Decimal, InvalidOperation

    from pydantic import TypeAdapter, ValidationError
    from pydantic_core import PydanticCustomError

    try:
        return TypeAdapter(MicroRelease).validate_python(micro_units(Decimal(text)), strict=True)
    except (InvalidOperation, PydanticCustomError, ValidationError):
        raise PolicyError(f"--epsilon {text} is not a number above 0 and at most 10", "say --epsilon 0.5") from None


def _number(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


def _finding(file: Path, finding: Finding) -> dict[str, Any]:
    return {
        "severity": finding.severity,
        "file": shown(file),
        "line": finding.line,
        "table": finding.table.strip("[]"),
        "key": finding.key,
        "what": finding.what,
        "todo": finding.todo,
    }


def _explained(data: dict[str, Any], clocks: Sequence[str], rows: Sequence[Sequence[str]]) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    contact = data["contact"]
    reach = ", ".join(contact[key] for key in ("email", "phone") if key in contact)
    parts: list[RenderableType] = [
        Text(f"{data['policy']}, version {data['version']}, {data['city']}", style="bold"),
        Text(f"{data['purpose']}\nAllowed by: {data['legal_basis']}"),
        Text(f"Kept for {data['retention_days']} days. Ask: {contact['name']}, {reach}."),
    ]
    sections = {
        "What leaves the node": data["leaves"],
        "What never leaves it": data["never_leaves"],
        "How exact a count still is": data["exactness"],
        "What your passage can reveal at most": data["revealed_at_most"],
    }
    for title, lines in sections.items():
        parts += [Text(f"\n{title}", style="bold"), *(Text(f"- {line}") for line in lines)]
    title = f"\nA real street, {data['day']['date']}: true (never sent) -> released"
    return Group(*parts, output.table(title, ("window from", *clocks), rows))


def _measured(policy: "Policy", rows: "Sequence[Row]", seeds: int) -> "RenderableType":
    from hadeda.policy.utility import PERIODS

    def percent(share: float) -> str:
        return f"{100 * share:.1f}"

    table = [
        (
            row.cell,
            decimal_text(row.epsilon_micro),
            f"{row.mean_count:.1f}",
            f"{100 * row.released:.0f} %",
            *(
                f"{percent(error.median)} ({percent(error.nine_in_ten)}; {percent(error.noise_alone)})"
                if error
                else "-"
                for error in row.error.values()
            ),
        )
        for row in rows
    ]
    title = (
        f"Relative error of sums in %: median (nine in ten are below; median if nothing were withheld)\n"
        f"k = {policy.traffic.k}, windows of {policy.window_s} s, {seeds} seeds"
    )
    heads = ("cell", "epsilon", "in a window", "told", *(f"an {p}" if p == "hour" else f"a {p}" for p in PERIODS))
    return output.table(title, heads, table)
