"""What a node sends for one window, made by the node's own code on MicroPython: report, sealed report, MQTT packet."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hadeda.emulator import interpreter
from hadeda.envelope.report import Report, parse_report
from hadeda.errors import BenchError
from hadeda.paths import FIRMWARE

PROGRAM: Final = Path(__file__).with_name("on_board") / "wire.py"
LIMIT_S: Final = 60


@dataclass(frozen=True)
class SentReport:
    """`plain` is the report's CBOR, `sealed` what it becomes, `packet` the PUBLISH around that."""

    plain: bytes
    sealed: bytes
    packet: bytes

    @property
    def report(self) -> Report:
        """Its content, as the city reads it."""
        return parse_report(self.plain)


def sent_report(content: str = "usual") -> SentReport:
    """A quarter of an hour of a full board, `usual` or with the `longest` numbers; raises BenchError."""
    program = f"import sys; sys.path.insert(0, {str(FIRMWARE)!r}); exec(open({str(PROGRAM)!r}).read())"
    command = [str(interpreter.find().path), "-X", "heapsize=4m", "-c", program, content]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    lines = done.stdout.split()
    if done.returncode or len(lines) != 3:
        raise BenchError(f"no report was made ({done.stderr.strip() or done.stdout.strip()})", "run ./run setup")
    return SentReport(*map(bytes.fromhex, lines))
