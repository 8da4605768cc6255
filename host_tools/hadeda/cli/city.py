"""`hadeda city`: make a city, show it, configure its broker, restore it. Exposes `app`, a group."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from hadeda.city import City
from hadeda.city.mosquitto import write_configuration
from hadeda.cli import output
from hadeda.cli.options import CityOption, JsonOption, YesOption
from hadeda.cli.unlock import environment_file, new_passphrase
from hadeda.registry import count_reports, hold_all, nodes
from hadeda.registry.policies import newest_policy

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The new city's folder; it is made.")],
    name: Annotated[str, typer.Option("--name", help="The city's name; else the folder's.")] = "",
    broker_host: Annotated[
        str, typer.Option("--broker-host", metavar="HOST", help="Where nodes and collector find the broker.")
    ] = "localhost",
    broker_port: Annotated[int, typer.Option("--broker-port", metavar="PORT", min=1, max=65535)] = 8883,
    wifi_ssid: Annotated[str, typer.Option("--wifi-ssid", metavar="SSID", help="The network nodes join.")] = "",
    ntp: Annotated[str, typer.Option("--ntp", metavar="HOST", help="The time server nodes ask.")] = "",
    database: Annotated[
        str,
        typer.Option("--database", metavar="URL", help="An empty PostgreSQL database: postgresql://USER@HOST/NAME."),
    ] = "",
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file",
            metavar="FILE",
            help="Encrypt the private keys with what this file holds; it is made, at random, if it is not there.",
        ),
    ] = None,
    unprotected: Annotated[bool, typer.Option("--unprotected", help="Keep the private keys in the clear.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a city: keys, TLS authority, broker logins, registry. The Wi-Fi password goes into its secrets.toml.

    It begins with a signed policy (policy.toml) and a floor (floor.toml), so that nodes can be provisioned; read both.

    Its private keys are encrypted: with --key-file, with the file that HADEDA_PASSPHRASE_FILE names, or with a
    passphrase that is asked for.
    """
    named = key_file or (None if unprotected else environment_file())
    with City.init(
        directory,
        name or directory.absolute().name,
        broker_host=broker_host,
        broker_port=broker_port,
        wifi_ssid=wifi_ssid,
        ntp=ntp,
        database=database,
        passphrase=new_passphrase(named, unprotected),
    ) as city:
        _show(city, as_json)


@app.command()
def show(city_dir: CityOption = None, as_json: JsonOption = False) -> None:
    """Show a city: its broker, its collector key's thumbprint, how many nodes and reports it has. No secrets."""
    with City.open(city_dir) as city:
        _show(city, as_json)


@app.command()
def restored(yes: YesOption = False, city_dir: CityOption = None, as_json: JsonOption = False) -> None:
    """Say that the city's folder came back from a backup: no node's report counts until that node proves it is fresh.

    A backup does not know what was received after it was made, so a replay would look new. Each node in service gets a
    challenge, and is held until a report echoes it: some windows, once it can be reached. Nodes that revoked.txt names
    are revoked again. On PostgreSQL bring back the database (pg_dump, pg_restore) with no collector running, and leave
    the folder as it is.
    """
    with City.open(city_dir) as city:
        in_service = sum(node.revoked_at is None for node in nodes(city.database))
        if not yes and sys.stdin.isatty():
            typer.confirm(f"Hold the reports of {in_service} nodes until each has answered?", abort=True)
        held = hold_all(city.database)
    output.emit({"held": held}, as_json, lambda: f"nodes held until they echo the city's challenge: {held}")


@app.command()
def mosquitto(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder for Mosquitto's files.")],
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Listen here; else on city.toml's port.")
    ] = None,
    city_dir: CityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a Mosquitto configuration for the city: TLS, its two logins, nothing lost while the collector is away."""
    with City.open(city_dir) as city:
        path = write_configuration(city, directory, port)
    if as_json:
        output.print_json({"configuration": path})
    else:
        output.say(f"written; start the broker with: mosquitto -c {path}")


def _show(city: City, as_json: bool) -> None:
    registered = nodes(city.database)
    with city.database.read() as session:
        policy = newest_policy(session)
    data = {
        "city": city.settings.name,
        "directory": city.directory,
        "created": city.settings.created,
        "broker": f"{city.settings.broker.host}:{city.settings.broker.port}",
        "topic": city.settings.broker.topic,
        "database": city.database.store.name,
        "collector": city.collector_id,
        "policy": None if policy is None else f"{policy.name} {policy.version}",
        "nodes": sum(node.revoked_at is None for node in registered),
        "revoked": sum(node.revoked_at is not None for node in registered),
        "reports": count_reports(city.database),
    }
    shown = ((key, value.hex() if isinstance(value, bytes) else value) for key, value in data.items())
    output.emit(data, as_json, lambda: output.table("", ("", ""), shown))
