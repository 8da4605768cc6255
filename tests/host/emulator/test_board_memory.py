"""A program finds the heap that board.toml grants, and numbers of the board's size."""

import re

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


CHURN = """
import gc, micropython, random
random.seed(1)
kept = {}
for turn in range(4000):
    size = random.choice((1, 15, 16, 17, 100, 255, 256, 257, 1500))
    kept[random.randrange(60)] = [turn, bytes([turn & 255]) * size, size]
gc.collect()
print(all(data == bytes([turn & 255]) * size for turn, data, size in kept.values()))
print("sum", gc.mem_alloc(), gc.mem_free())
micropython.mem_info()
"""


def test_the_collector_keeps_what_is_in_use_and_counts_as_micropythons_own() -> None:
    with on_bench() as board:
        power_up(board)
        answer = execute(board, CHURN)
    used, free = (int(word) for word in answer.split("sum ")[1].split()[:2])
    counted = re.search(r"used: (\d+), free: (\d+)", answer)
    assert answer.startswith("True")
    assert counted is not None
    assert [int(word) for word in counted.groups()] == pytest.approx([used, free], abs=512)  # printing takes some
