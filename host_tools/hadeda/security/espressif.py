"""Espressif's espefuse and espsecure, run as programs of their own; of what they print only a last line is shown.

esptool is not run like this: flash/device.py drives it.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from hadeda.errors import FlashError, PortError

LIMIT_S: Final = 300
_NOBODY: Final = re.compile(r"No serial data|Failed to connect|Could not open|Timed out")


def run(tool: str, *arguments: str, options: Sequence[str] = (), port: str | None = None) -> str:
    """One command of `tool`, with `options` before it, for the chip on `port` if it needs one; what it said.

    Raises PortError, and FlashError with its last words.
    """
    command = [sys.executable, "-m", tool, *options, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        if port:
            raise _nobody(port) from error
        raise FlashError(f"{tool} {arguments[0]} was not done after {LIMIT_S} s", "run it again") from error
    if done.returncode == 0:
        return done.stdout
    said = done.stdout + done.stderr
    if port and _NOBODY.search(said):
        raise _nobody(port)
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "nothing was said")
    raise FlashError(f"{tool} {arguments[0]} failed: {last}", "mend that, and run it again")


def _nobody(port: str) -> PortError:
    return PortError(
        f"no chip answers on {port}",
        "hold BOOT, press RESET, let go of BOOT; a chip whose download mode is off never answers again",
    )
