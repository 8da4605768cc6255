"""Tests in tests/firmware run twice: on CPython and on MicroPython, the interpreter of the emulated board.

They are plain functions with plain asserts. On MicroPython one process runs all wanted functions of a file and says
after each how it went.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hadeda.emulator import interpreter

ROOT = Path(__file__).resolve().parents[1]
DUAL = ROOT / "tests" / "firmware"
RUNNER = ROOT / "tests" / "run_on_micropython.py"
TIMEOUT_S = 280

pytest_plugins = ["board_options"]


class MicroPythonFile(pytest.Module):
    """The functions of a test file, run on MicroPython. Collected as on CPython, executed elsewhere."""

    def collect(self) -> Iterator[pytest.Item]:
        for item in super().collect():
            if isinstance(item, pytest.Function):
                yield MicroPythonTest.from_parent(self, name=f"{item.name}[micropython]", function=item.name)


class MicroPythonTest(pytest.Item):
    """One function on MicroPython."""

    def __init__(self, *, function: str, **settings: object) -> None:
        super().__init__(**settings)
        self.wanted = function
        self.add_marker("micropython")

    def runtest(self) -> None:
        done = run_function(self.path, self.wanted)
        if done is not None:
            raise AssertionError(done)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:  # noqa: ARG002
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name


def run_function(path: Path, function: str) -> str | None:
    """None when it passed, else what went wrong."""
    micropython = interpreter.find().path
    environment = {**os.environ, "MICROPYPATH": f"{ROOT / 'firmware'}:{path.parent}:.frozen"}
    try:
        done = subprocess.run(
            [micropython, "-X", "heapsize=4M", RUNNER, path.stem, function],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{function} took more than {TIMEOUT_S} s on MicroPython"
    lines = done.stdout.strip().splitlines()
    if lines and lines[-1] == json.dumps({"passed": function}):
        return None
    return f"on MicroPython:\n{done.stdout}{done.stderr}"


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A file of tests/firmware becomes two modules."""
    if DUAL not in module_path.parents:
        return None
    return DualFile.from_parent(parent, path=module_path)


class DualFile(pytest.File):
    """One file on both interpreters."""

    def collect(self) -> Iterator[pytest.Collector]:
        yield pytest.Module.from_parent(self, path=self.path)
        yield MicroPythonFile.from_parent(self, path=self.path)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests ran on which interpreter, and the figures that tests have recorded (record_property)."""
    passed = terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", [])
    calls = [report for report in passed if report.when == "call"]
    on_micropython = sum("micropython" in report.keywords for report in calls)
    on_board = sum(report.nodeid.startswith(("tests/board/", "tests/emulator/")) for report in calls)
    terminalreporter.write_line(
        f"ran on CPython: {len(calls) - on_micropython - on_board}, on MicroPython: {on_micropython}, "
        f"on boards through their serial port: {on_board}"
    )
    for report in calls:
        for name, figure in report.user_properties:
            terminalreporter.write_line(f"{name}: {figure}")


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands print for a pipe, whatever terminal the tests run in."""
    monkeypatch.delenv("COLUMNS", raising=False)


def pytest_configure(config: pytest.Config) -> None:
    # A shell that starts us in the background ignores Ctrl-C for us, and for whomever we start and interrupt
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "micropython: runs on MicroPython")
