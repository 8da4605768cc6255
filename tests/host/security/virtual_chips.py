"""espefuse's virtual eFuses of every chip that we have boards for, and the running of steps on them."""

import subprocess
import sys
from pathlib import Path

from hadeda.board import load, names
from hadeda.security import fuses, hardening
from hadeda.security.fuses import Place

CHIPS = {load(name).chip: name for name in names()}
NAME = "corner"


def all_steps(place: Place, profile: str, folder: Path) -> list[hardening.Step]:
    return hardening.steps(fuses.read(place), profile, NAME, folder)


def espsecure(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "espsecure", *map(str, arguments)], capture_output=True, check=True)


def run(place: Place, todo: list[hardening.Step]) -> None:
    hardening.run(place, load(CHIPS[str(place.chip)]), todo, lambda _line: None)


def prepare(place: Place, folder: Path) -> None:
    """Make the keys, the digest and the images."""
    run(place, [step for step in all_steps(place, "sealed", folder) if step.tool == "espsecure"])


def make_signing_key(place: Place, folder: Path) -> str:
    """Make it, and the file with its digest, which this returns."""
    run(place, [step for step in all_steps(place, "sealed", folder) if step.made and step.made.stem == "secure-boot"])
    return str(folder / "secure-boot.digest")
