"""Options of the board-level tests: which serial port, which board."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("boards")
    group.addoption("--port", metavar="PORT", help="serial port of the board for tests/board (default: emulated)")
    group.addoption(
        "--board", metavar="NAME", default="esp32-s3-devkitc-1", help="which board that is, or which to emulate"
    )
