"""`hadeda open FILE`: one sealed message, explained layer by layer. Exposes `command`."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hadeda.city.city import ENVIRONMENT, SETTINGS_FILE
from hadeda.cli import output
from hadeda.cli.options import CityOption, JsonOption, KeyFileOption
from hadeda.cli.unlock import open_city
from hadeda.collect.explain import Layer, inside, outside, read
from hadeda.envelope.labels import SEALED_MAX
from hadeda.errors import HadedaError, Rejected

if TYPE_CHECKING:
    from rich.console import Group


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The message as it was on the wire; - is stdin.")],
    city_dir: CityOption = None,
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain a sealed message: what anyone can see and, with a city's keys, signature and report. Stores nothing."""
    sealed = _read(file)
    try:
        message = read(sealed)
    except Rejected as refusal:
        raise HadedaError(f"{file} is not a sealed message ({refusal.reason})", "give the bytes of one") from refusal
    layers, refused = [outside(message)], None
    if _has_city(city_dir):
        with open_city(city_dir, key_file) as city:
            try:
                layers += inside(city, message)
            except Rejected as refusal:
                refused = refusal
    output.emit({"layers": [asdict(layer) for layer in layers]}, as_json, lambda: _draw(layers))
    if refused is not None:
        raise HadedaError(f"{file} does not open ({refused.reason})", "it is not from a node of this city, or damaged")
    if len(layers) == 1:
        output.say("the rest needs the keys of the city it was sealed for: give --city DIR")


def _has_city(directory: Path | None) -> bool:
    """Whether a city was named, or is here."""
    return directory is not None or bool(os.environ.get(ENVIRONMENT)) or Path(SETTINGS_FILE).is_file()


def _read(file: Path) -> bytes:
    """The file's bytes, no more than tell that it is too long; raises HadedaError."""
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(SEALED_MAX + 1)
        with file.open("rb") as stream:
            return stream.read(SEALED_MAX + 1)
    except OSError as error:
        raise HadedaError(f"{file} cannot be read ({error.strerror})", "name a file with one sealed message") from error


def _draw(layers: list[Layer]) -> "Group":
    from rich.console import Group

    return Group(
        *(
            output.table(layer.title, ("field", "value", ""), ((f.name, f.value, f.meaning) for f in layer.fields))
            for layer in layers
        )
    )
