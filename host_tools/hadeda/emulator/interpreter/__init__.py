"""The MicroPython that emulated boards run: found, or built by `./run` (build.py)."""

import functools
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hadeda.emulator.interpreter import build
from hadeda.errors import EmulatorError

OLDEST = (1, 25)
SURFACE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Interpreter:
    """A MicroPython unix port.

    `ours`: built by build.py, so that the board's surface is frozen in and virtual time works. `exact`: its numbers and
    object sizes are the ESP32's (32-bit, single precision).
    """

    path: Path
    version: str
    ours: bool
    exact: bool


@functools.cache
def find() -> Interpreter:
    """HADEDA_MICROPYTHON, else the one ./run built for this checkout, else `micropython` on PATH."""
    named = os.environ.get("HADEDA_MICROPYTHON")
    if named:
        return _examine(Path(named))
    if build.built().exists():
        return _examine(build.built())
    on_path = shutil.which("micropython")
    if on_path:
        return _examine(Path(on_path))
    raise EmulatorError(
        "no MicroPython to run an emulated board on",
        "./run setup builds one; or put MicroPython 1.25 or later on PATH, or name it in HADEDA_MICROPYTHON",
    )


def _examine(path: Path) -> Interpreter:
    probe = (
        "import sys\n"
        "try:\n import _host\n ours = True\n"
        "except ImportError:\n ours = False\n"
        "version = '.'.join(str(n) for n in sys.implementation[1][:3])\n"
        "print(sys.implementation[0], version, ours, ours and sys.maxsize < 1 << 32)"
    )
    try:
        done = subprocess.run([path, "-c", probe], capture_output=True, text=True, timeout=20, check=False)
    except OSError as error:
        raise EmulatorError(f"{path} does not run: {error.strerror}", "check HADEDA_MICROPYTHON") from error
    match = re.match(r"micropython (\d+)\.(\d+)\.(\d+) (True|False) (True|False)", done.stdout)
    if not match:
        raise EmulatorError(f"{path} is not MicroPython", "check HADEDA_MICROPYTHON and PATH")
    if (int(match[1]), int(match[2])) < OLDEST:
        raise EmulatorError(
            f"MicroPython {match[1]}.{match[2]} is too old: {path}", "1.25 or later is needed; ./run setup builds one"
        )
    return Interpreter(path, f"{match[1]}.{match[2]}.{match[3]}", match[4] == "True", match[5] == "True")


def explain_inexact() -> str:
    """What is not the board's when the interpreter is not ours."""
    return f"heap figures are not the board's: this MicroPython is a packaged {platform.machine()} build"
