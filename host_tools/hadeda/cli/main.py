"""The table of commands, and how every one of them ends.

A row names the command, the module that has it and its line in `hadeda --help`. The module is imported only when its
command runs, so that `hadeda board list` does not wait for the database or the broker. A module offers either
`command`, a function, or `app`, a `typer.Typer` group.

Exit status: 0 done, 1 an error the user can act on (one line on stderr, with what to do next), 2 a command line that
cannot be understood, 130 stopped by Ctrl-C. Anything else is a defect and shows its traceback, without local
variables: those may hold keys.
"""

from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from hadeda import __version__
from hadeda.cli import interrupts, output
from hadeda.errors import HadedaError

INTERRUPTED = 130


class Row(NamedTuple):
    """One command: its name, its module below `hadeda.cli`, and its line in the help."""

    name: str
    module: str
    help: str
    is_group: bool = False


COMMANDS = (
    Row("board", "board", "List the boards, show one, regenerate a board's page.", is_group=True),
    Row("city", "city", "Make and inspect a city: its keys, its registry, its report store.", is_group=True),
    Row("node", "node", "Provision a node through its serial port; list, show, command, revoke nodes.", is_group=True),
    Row("keys", "keys", "List, rotate and protect keys: the city's own and the nodes'.", is_group=True),
    Row("policy", "policy", "Check, explain, measure, sign and document what nodes may count and say.", is_group=True),
    Row("emulate", "emulate", "Power up an emulated board; prints the serial port mpremote connects to."),
    Row("simulate", "simulate", "Many boards, a broker and a city in virtual time, with faults, from one seed."),
    Row("soak", "soak", "Simulate one small street after the other in a storm, until the time is over."),
    Row("collect", "collect", "Take reports from the broker: verify, decrypt, store each exactly once."),
    Row("reports", "reports", "List what the city has received."),
    Row("open", "open", "Explain one sealed message, layer by layer."),
    Row("bench", "bench", "What the node's code costs, in instructions of a RISC-V core.", is_group=True),
    Row("demo", "demo", "The whole line on this machine: a street corner, a node, a broker, a city."),
)


def load(row: Row) -> Any:
    """Import the command of `row`; the answer is what typer runs (a command or a group)."""
    module = import_module(f"hadeda.cli.{row.module}")
    if row.is_group:
        return get_group(module.app)
    single = typer.Typer(add_completion=False)
    single.command(row.name)(module.command)
    return get_command(single)


class Commands(TyperGroup):
    """The group at the top: help and suggestions come from the table, the command itself is loaded when it is run."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command `args` begin with and put the real one in the place of its row."""
        name, placeholder, rest = super().resolve_command(ctx, args)
        row = next((row for row in COMMANDS if row.name == name), None)
        return name, placeholder if row is None else load(row), rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command; end with one line and a status where the user can act on what went wrong."""
        try:
            return super().invoke(ctx)
        except (Exception, KeyboardInterrupt) as error:
            if interrupts.struck(error):
                raise typer.Exit(INTERRUPTED) from error
            if not isinstance(error, HadedaError):
                raise
            output.error(error)
            raise typer.Exit(1) from error


app = typer.Typer(
    name="hadeda",
    cls=Commands,
    help="Sensor nodes that minimise, sign and encrypt on the device: describe boards, provision nodes, read reports.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hadeda {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """Options that stand before the command."""


def _placeholder() -> None:
    """Stands in the table until `Commands.resolve_command` loads the command itself."""


for _row in COMMANDS:
    app.command(_row.name, help=_row.help)(_placeholder)


def main() -> None:
    """Run the command line; never returns, the exit status says how it went."""
    interrupts.lose_none()
    try:
        app()
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    finally:
        interrupts.over()


if __name__ == "__main__":
    main()
