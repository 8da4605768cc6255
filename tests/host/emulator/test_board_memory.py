"""A program finds the heap that board.toml grants, and numbers of the board's size."""

import pytest
from emulator_bench import execute, on_bench, power_up

from hadeda.board import load, names


@pytest.mark.parametrize("name", names())
def test_heap_after_boot_is_what_the_board_grants(name: str) -> None:
    board = load(name)
    with on_bench(board=board) as emulated:
        if not emulated.interpreter.exact:
            pytest.skip("heap figures are not the board's on this interpreter")
        power_up(emulated)
        free = int(execute(emulated, "import gc; gc.collect(); print(gc.mem_free())"))
    assert free == pytest.approx(board.budgets.heap_kb * 1024, rel=0.02)


def test_memory_ends() -> None:
    with on_bench() as board:
        power_up(board)
        assert "MemoryError" in execute(board, "x = bytearray(200 * 1024)")
        assert "MemoryError" in execute(board, "x = []\nwhile True: x.append(bytes(1000))")
        assert execute(board, "del x\nprint('lives')") == "lives\n"


def test_numbers_are_the_boards() -> None:
    with on_bench() as board:
        if not board.interpreter.exact:
            pytest.skip("numbers are not the board's on this interpreter")
        power_up(board)
        assert execute(board, "import sys; print(sys.maxsize, 1 / 3)") == "2147483647 0.3333333\n"
