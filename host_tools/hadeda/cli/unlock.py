"""Where the passphrases of a city's keys come from: a file, the environment, or a person at the terminal.

    --key-file FILE                     for this one command
    HADEDA_PASSPHRASE_FILE_COMMAND      a file, for the keys of one role
    HADEDA_PASSPHRASE_FILE              a file, for all of them
    a question on the terminal          where there is one

A file holds one passphrase as text, a line end behind it does not count. Passphrases never stand on a command line or
in an environment variable, where other programs could read them.
"""

import os
import secrets
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import typer

from hadeda.city import City
from hadeda.city.keyfile import warn_if_others_can_read, write_private_file
from hadeda.errors import CityError

ENVIRONMENT: Final = "HADEDA_PASSPHRASE_FILE"
FILE_MAX: Final = 1024
TYPED_MIN: Final = 12
TRIES: Final = 3
KEY_FILE_BYTES: Final = 32


class Passphrases:
    """Offers passphrases for a role's key, the likeliest first; what was typed once is tried for the next key too."""

    def __init__(self, key_file: Path | None = None) -> None:
        self._key_file = key_file
        self._typed: list[bytes] = []

    def __call__(self, role: str) -> Iterator[bytes]:
        """The passphrases to try for a key of `role`; raises CityError where a file that was named cannot be read."""
        variable = f"{ENVIRONMENT}_{role.upper().replace('-', '_')}"
        named = (self._key_file, os.environ.get(variable), os.environ.get(ENVIRONMENT))
        offered = list(dict.fromkeys([read_passphrase(Path(name)) for name in named if name] + self._typed))
        yield from offered
        for _ in range(TRIES if at_terminal() else 0):
            typed = _ask(f"Passphrase of the city's {role} key")
            if typed not in self._typed:
                self._typed.append(typed)
            yield typed


def open_city(directory: Path | None, key_file: Path | None = None) -> City:
    """Open a city whose keys are unlocked as this module says, when they are needed."""
    return City.open(directory, Passphrases(key_file))


def new_passphrase(key_file: Path | None, unprotected: bool, flag: str = "--key-file") -> bytes | None:
    """The passphrase for keys that are about to be written; None where they are to be `unprotected`.

    `key_file` is made, with 32 random bytes in it, where it is not there. Raises CityError where nobody can be asked.
    """
    if unprotected and key_file is not None:
        raise CityError(f"{flag} and --unprotected contradict each other", "give one of them")
    if unprotected:
        return None
    if key_file is not None:
        if not key_file.exists():
            _make_key_file(key_file)
        return read_passphrase(key_file)
    if not at_terminal():
        raise CityError(
            "nothing says how the city's private keys are to be protected",
            f"give {flag} FILE (it is made if it is not there), run this on a terminal, or say --unprotected",
        )
    while len(typed := _ask("New passphrase for the city's keys")) < TYPED_MIN:
        typer.echo(f"It has to have {TYPED_MIN} characters or more: several words are easier than signs.", err=True)
    if _ask("The same again") != typed:
        raise CityError("the two passphrases differ", "try again")
    return typed


def environment_file() -> Path | None:
    """The file that HADEDA_PASSPHRASE_FILE names, if it names one."""
    name = os.environ.get(ENVIRONMENT)
    return Path(name) if name else None


def read_passphrase(path: Path) -> bytes:
    """The passphrase in `path`; raises CityError, warns where other users can read it."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX + 1)
        warn_if_others_can_read(path)
    except OSError as error:
        raise CityError(
            f"the passphrase's file {path} cannot be read ({error.strerror})", "bring it, or name another one"
        ) from error
    content = content.removesuffix(b"\n").removesuffix(b"\r")
    if not content or len(content) > FILE_MAX:
        raise CityError(f"{path} does not hold a passphrase", f"it has to be 1 to {FILE_MAX} bytes of text")
    return content


def at_terminal() -> bool:
    """Whether there is a person to ask."""
    return sys.stdin.isatty()


def _ask(question: str) -> bytes:
    answer: str = typer.prompt(question, hide_input=True, err=True)
    return unicodedata.normalize("NFC", answer).encode()


def _make_key_file(path: Path) -> None:
    try:
        write_private_file(path, secrets.token_hex(KEY_FILE_BYTES).encode() + b"\n")
    except OSError as error:
        raise CityError(f"{path} cannot be made ({error.strerror})", "name a file you may write") from error
