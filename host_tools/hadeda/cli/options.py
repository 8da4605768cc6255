"""Options and arguments that several commands share, so that one name means one thing everywhere."""

from pathlib import Path
from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="One line of JSON on stdout, for scripts.")]

CityOption = Annotated[
    Path | None,
    typer.Option("--city", metavar="DIR", help="The city's folder; else HADEDA_CITY, else the folder you are in."),
]

KeyFileOption = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        metavar="FILE",
        help="A file with the passphrase of the city's keys; else HADEDA_PASSPHRASE_FILE, else it is asked for.",
    ),
]

YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

NodeArgument = Annotated[str, typer.Argument(metavar="NODE", help="A node's name, or the beginning of its id.")]

PortOption = Annotated[
    str | None,
    typer.Option("--port", metavar="PORT", help="The node's serial port, such as /dev/ttyUSB0 or COM3."),
]

BoardArgument = Annotated[
    str,
    typer.Argument(metavar="BOARD", help="A board's name (see `hadeda board list`) or the path of a board.toml."),
]

BoardOption = Annotated[
    str,
    typer.Option("--board", metavar="BOARD", help="A board's name (see `hadeda board list`) or a board.toml."),
]

SeedOption = Annotated[
    int,
    typer.Option("--seed", min=0, help="The same seed plays the same street and the same faults."),
]

StreetOption = Annotated[
    Path | None,
    typer.Option("--street", metavar="FILE", help="Hourly traffic of another street, in the format of ours (CSV)."),
]

AirOption = Annotated[
    Path | None,
    typer.Option("--air", metavar="FILE", help="Hourly air of another street, in the format of ours (CSV)."),
]
