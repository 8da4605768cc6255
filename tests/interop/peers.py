"""The other processes that are asked, and the environment of the one that runs pycose."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import json_lines
import pytest

from hadeda.emulator.interpreter.build import cache

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
INSTALL_LIMIT_S = 240


class Refused(Exception):
    """What was asked for raised an error in the other process."""


class Peer:
    """A process that answers through json_lines.py."""

    def __init__(self, command: list[str | Path], environment: dict[str, str]) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed with the process)
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def ask(self, question: str, **details: Any) -> Any:
        """Its answer; raises Refused where it raised an error."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json_lines.dumps({"ask": question, "with": details}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            self._errors.seek(0)
            pytest.fail(f"{process.args!r} ended: {self._errors.read()[-2000:]}")
        found = json_lines.loads(line)
        if "refused" in found:
            raise Refused(found["refused"])
        return found["is"]

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()


def environment() -> Path:
    """The Python of the stranger's environment, made in the user's cache folder where it is not there yet."""
    wanted = f"{sys.version} {sys.base_prefix} ".encode() + REQUIREMENTS.read_bytes()
    folder = cache() / "interop" / hashlib.sha256(wanted).hexdigest()[:16]
    python, complete = folder / "bin" / "python", folder / ".complete"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        if not complete.exists():
            run(sys.executable, "-m", "venv", "--clear", "--without-pip", folder)
            pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", python]
            run(*pip, "install", "--no-deps", "-r", REQUIREMENTS)
            complete.touch()
    return python


def run(*command: str | Path) -> None:
    """A step of making the environment; a test that cannot have it fails and says why."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=INSTALL_LIMIT_S, check=False
        )
        said, failed = done.stdout, done.returncode != 0
    except subprocess.TimeoutExpired:
        said, failed = f"no end after {INSTALL_LIMIT_S} s", True
    if failed:
        pytest.fail(
            "pycose, the other COSE implementation, cannot be installed; pip needs a package index that it can reach.\n"
            f"{' '.join(map(str, command))}:\n{said[-2000:]}",
            pytrace=False,
        )
