"""A chip's eFuses, read and burned by espefuse: on a board in its loader, or in a file of espefuse's virtual ones.

espefuse is run as a program of its own. What it asks before it burns is not asked again: hardening.py asks for more.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hadeda.board.chips import CHIPS
from hadeda.errors import FlashError, PortError
from hadeda.flash.device import has_lines

LIMIT_S: Final = 120
_CHIP = re.compile(r"Detecting chip type\.* *(\S+)")


@dataclass(frozen=True)
class Place:
    """Where the eFuses are: the chip on `port`, or the file `virtual`. `chip` is None where espefuse finds out."""

    port: str | None
    virtual: Path | None = None
    chip: str | None = None

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
    """One command of espefuse; what it said. Raises FlashError with its last words."""
    command = [sys.executable, "-m", "espefuse", *place.options(), "--do-not-confirm", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise PortError(f"no chip answers on {place.port}", "hold BOOT, press RESET, let go of BOOT") from error
    if done.returncode == 0:
        return done.stdout
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    last = said[-1].strip() if said else "nothing"
    if re.search(r"No serial data|Failed to connect|Could not open|Timed out", done.stdout + done.stderr):
        raise PortError(
            f"no chip answers on {place.port}",
            "hold BOOT, press RESET, let go of BOOT; a chip whose download mode is off never answers again",
        )
    raise FlashError(f"espefuse {arguments[0]} failed: {last}", "read what it says, and the chip again")


def _number(raw: str) -> int | None:
    try:
        return int(raw, 0)
    except ValueError:  # ?? ?? ??, or nothing
        return None
