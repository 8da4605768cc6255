"""What the privacy experiments found, said after the run: p-values and empirical epsilons."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            if report.when == "call" and "tests/privacy/" in report.nodeid:
                for name, figure in report.user_properties:
                    terminalreporter.write_line(f"{name}: {figure}")
