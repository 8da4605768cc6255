"""The board of the board-level tests: the one at --port, else an emulated one that is powered up here."""

from collections.abc import Iterator

import pytest
from mpremote_board import PortedBoard, powered

from hadeda.board import Board, load
from hadeda.errors import HadedaError
from hadeda.provision.port import NodePort
from hadeda.provision.steps import examine

FOLDER = "/pytest"


@pytest.fixture(scope="session")
def plugged_in(pytestconfig: pytest.Config) -> Iterator[PortedBoard]:
    """One board for all tests."""
    port = pytestconfig.getoption("--port")
    if port:
        refuse_unfit(port, load(pytestconfig.getoption("--board")))
        yield PortedBoard(port)
        return
    with powered(pytestconfig.getoption("--board")) as board:
        yield board


def refuse_unfit(port: str, described: Board) -> None:
    """End it all where the board is not there, is another one, or has a program that would run in between."""
    try:
        with NodePort(port) as board:
            examine(board, described)
            occupied = "main.py" in board.run("import os\nprint(os.listdir('/'))")
    except HadedaError as error:
        pytest.exit(f"hadeda: {error}", 1)
    if occupied:
        pytest.exit(f"hadeda: the board on {port} has a main.py: erase it first (`hadeda board flash`)", 1)


@pytest.fixture
def board(plugged_in: PortedBoard) -> PortedBoard:
    """The board; a test leaves nothing running on it, and files only in `folder`."""
    return plugged_in


@pytest.fixture
def folder(board: PortedBoard) -> Iterator[str]:
    """An empty folder on the board, gone after the test."""
    board.exec(f"import os; os.mkdir({FOLDER!r})")
    yield FOLDER
    board.exec(
        "import os\n"
        "def clear(path):\n"
        "    for name, kind, *_ in list(os.ilistdir(path)):\n"
        "        entry = path + '/' + name\n"
        "        clear(entry) if kind == 0x4000 else os.remove(entry)\n"
        "    os.rmdir(path)\n"
        f"clear({FOLDER!r})"
    )


@pytest.fixture
def emulated_name(pytestconfig: pytest.Config) -> str:
    """Which board to emulate in tests that need more than a serial port."""
    if pytestconfig.getoption("--port"):
        pytest.skip("needs an emulated board: run without --port")
    return str(pytestconfig.getoption("--board"))
