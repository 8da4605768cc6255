"""A chip's eFuses, read and burned by espefuse: on a board in its loader, or in a file of espefuse's virtual ones.

What espefuse asks before it burns is not asked again: hardening.py asks for more.
"""

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hadeda.board.chips import CHIPS
from hadeda.errors import FlashError
from hadeda.flash.device import has_lines
from hadeda.security import espressif

MAC_SIZE: Final = 6
_CHIP = re.compile(r"Detecting chip type\.* *(\S+)")


@dataclass(frozen=True)
class Place:
    """Where the eFuses are: the chip on `port`, or the file `virtual`. `chip` is None where espefuse finds out."""

    port: str | None
    virtual: Path | None = None
    chip: str | None = None

    def __str__(self) -> str:
        return f"the chip on {self.port}" if self.virtual is None else f"the virtual chip in {self.virtual}"

    def options(self) -> list[str]:
        """What tells espefuse where they are."""
        chip = ["--chip", self.chip or "auto"]
        if self.virtual is not None:
            return [*chip, "--virt", "--path-efuse-file", str(self.virtual)]
        ways = ("default-reset", "hard-reset") if has_lines(str(self.port)) else ("no-reset", "no-reset")
        return [*chip, "--port", str(self.port), "--before", ways[0], "--after", ways[1]]


@dataclass(frozen=True)
class Fuse:
    """One eFuse or block. `value` is None where nobody can read it."""

    value: int | None
    readable: bool
    writeable: bool


@dataclass(frozen=True)
class Fuses:
    """All eFuses of a chip (its name as in board.toml), by espefuse's names."""

    chip: str
    by_name: Mapping[str, Fuse]

    def value(self, name: str) -> int:
        """The number in it; 0 where this chip has no such eFuse, or nobody can read it."""
        fuse = self.by_name.get(name)
        return (fuse.value or 0) if fuse else 0

    def mac(self) -> str:
        """What the factory burned, colons between the bytes."""
        return self.value("MAC").to_bytes(MAC_SIZE, "little").hex(":")  # espefuse prints the raw bytes turned

    def write_protected(self, name: str) -> bool:
        """Whether it cannot be changed any more."""
        return not self.by_name[name].writeable

    def purposes(self) -> dict[int, int]:
        """Number of a key block -> its purpose; none on a chip whose blocks have fixed ones."""
        return {n: self.value(f"KEY_PURPOSE_{n}") for n in range(6) if f"KEY_PURPOSE_{n}" in self.by_name}

    def is_used(self, block: str) -> bool:
        """Whether a key is in this block: something is burned in it, or it is closed."""
        fuse = self.by_name[block]
        return bool(fuse.value) or not fuse.readable or not fuse.writeable


def read(place: Place) -> Fuses:
    """All of them. Raises PortError and FlashError."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "summary.json"
        said = run(place, "summary", "--format", "json", "--file", str(file))
        summary: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    found = _CHIP.search(said)
    chip = place.chip or (found[1].lower().replace("-", "") if found else "")
    if chip not in CHIPS:
        raise FlashError(f"the chip is an {chip or 'unknown one'}", f"Hadeda knows {', '.join(CHIPS)}")
    return Fuses(
        chip,
        {name: Fuse(_number(row["raw_value"]), row["readable"], row["writeable"]) for name, row in summary.items()},
    )


def run(place: Place, *arguments: str) -> str:
    """One command of espefuse; what it said. Raises PortError, and FlashError with its last words."""
    return espressif.run("espefuse", *arguments, options=[*place.options(), "--do-not-confirm"], port=place.port)


def _number(raw: str) -> int | None:
    try:
        return int(raw, 0)
    except ValueError:  # ?? ?? ??, or nothing
        return None
