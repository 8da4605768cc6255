"""Runs one of firmware/selftest's programs on a board, made lean as what is shipped is, and reads its one line."""

import json
from functools import cache
from typing import Any

from hadeda.errors import ProvisionError
from hadeda.paths import FIRMWARE
from hadeda.provision.lean import lean
from hadeda.provision.port import NodePort
from hadeda.provision.steps import CALM

MARK = "SELFTEST "
LINE_MAX = 16_384


def ask(port: NodePort, program: str, call: str, timeout_s: float = 60.0) -> dict[str, Any]:
    """What the program tells, on a board that is started afresh for it; raises ProvisionError and PortError."""
    port.start_afresh()
    port.run(CALM)
    said = port.run(f"{_source(program)}\n{call}\n", timeout_s)
    lines = [line for line in said.splitlines() if line.startswith(MARK) and len(line) <= LINE_MAX]
    try:
        answer = json.loads(lines[-1].removeprefix(MARK))
    except (IndexError, ValueError):
        answer = None
    if not isinstance(answer, dict):
        raise ProvisionError(f"the board did not answer its {program} test", "reset it and try again")
    return answer


@cache
def _source(program: str) -> str:
    return lean(FIRMWARE / "selftest" / f"{program}.py")
