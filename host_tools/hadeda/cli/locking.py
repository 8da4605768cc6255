"""What `hadeda node lock` and `hadeda node open` do."""

from typing import Annotated

import typer

from hadeda.cli import output
from hadeda.cli.options import CityOption, JsonOption, KeyFileOption, PortOption
from hadeda.cli.unlock import open_city
from hadeda.provision import lock
from hadeda.provision.port import only_one_in_sight
from hadeda.registry import find_node


def lock_command(
    port: PortOption = None, city_dir: CityOption = None, key_file: KeyFileOption = None, as_json: JsonOption = False
) -> None:
    """Lock the serial port of the node on PORT: no REPL, no files, until the command key opens it.

    A locked node whose command key is lost can only be erased and provisioned again.
    """
    with open_city(city_dir, key_file) as city:
        node = lock.lock(port or only_one_in_sight(), city)
    record = {"node": node.name, "node_id": node.node_id, "locked": True}
    output.emit(record, as_json, lambda: f"{node.name} is locked; `hadeda node open` opens it for ten minutes")


def open_command(
    node: Annotated[
        str | None, typer.Argument(metavar="NODE", help="Open this node and no other, whatever is on the port.")
    ] = None,
    port: PortOption = None,
    city_dir: CityOption = None,
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open the serial port of the locked node on PORT for ten minutes, with the city's command key.

    The node tells the city with its next report. Any reset but a soft one locks it again.
    """
    with open_city(city_dir, key_file) as city:
        wanted = find_node(city.database, node) if node is not None else None
        opened = lock.open_port(port or only_one_in_sight(), city, wanted, output.say)
    record = {"node": opened.node.name, "node_id": opened.node.node_id, "open_s": opened.seconds}
    output.emit(record, as_json, lambda: f"{opened.node.name} is open for {opened.seconds} s: mpremote can connect")
