"""How long it takes from an empty clone to the demo's first result, and again when everything is there.

The clone goes into a temporary folder, with HOME and the caches in there too: packages are downloaded, the emulated
board's MicroPython is built. What apt has installed on this machine stays installed.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from hadeda.errors import BenchError
from hadeda.paths import ROOT

RESULT: Final = ", stored"  # in the line that the demo says for a report
LIMIT_S: Final = 1200.0


@contextmanager
def clone() -> Iterator[Path]:
    """A new clone of what this checkout has committed, gone afterwards; its home folder is beside it."""
    with TemporaryDirectory(prefix="hadeda-clone-") as name:
        folder = Path(name) / "hadeda"
        done = subprocess.run(
            ["git", "clone", "--quiet", "--no-hardlinks", ROOT, folder], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BenchError(f"no clone of this checkout ({done.stderr.strip()})", "it has to be a git repository")
        yield folder


def first_result_s(folder: Path) -> float:
    """Seconds from typing `./run demo` to the first stored report; raises BenchError."""
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
    started = time.monotonic()
    pipe = subprocess.PIPE
    demo = subprocess.Popen(
        ["./run", "demo"], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=pipe, text=True
    )
    assert demo.stderr is not None
    said = []
    try:
        for line in demo.stderr:
            said.append(line)
            if RESULT in line:
                return time.monotonic() - started
            if time.monotonic() - started > LIMIT_S:
                break
        raise BenchError(f"the demo has no result: {''.join(said[-3:]).strip()}", "run ./run demo to see")
    finally:
        demo.terminate()
        demo.stderr.close()
        demo.wait()
