"""What the yardstick's board prints becomes medians, a table and one JSON object; timing itself is no test."""

import ast
import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from hadeda.bench import figures, run
from hadeda.bench.build import Yardstick
from hadeda.cli import bench, output
from hadeda.errors import BenchError

YARDSTICK = Yardstick(Path("firmware.elf"), "1.25.0", "12.2.0", "7.2.22", "-march=rv32imac -Os")
PRINTED = """
sign 9400000\r
verify 19000000\r
sign 9600000\r
sign 9500000\r
table_bytes 16384\r
heap_peak_bytes 13056\r
"""


def test_values_are_collected_by_name_in_the_order_they_came() -> None:
    values = figures.parse(PRINTED)
    assert values["sign"] == [9_400_000, 9_600_000, 9_500_000]
    assert list(values) == ["sign", "verify", "table_bytes", "heap_peak_bytes"]


@pytest.mark.parametrize("line", ["MemoryError", "sign fast", "sign 1 2"])
def test_anything_else_the_board_prints_is_an_error(line: str) -> None:
    with pytest.raises(BenchError, match="the board printed"):
        figures.parse(line)


def test_a_figure_is_median_and_range() -> None:
    assert figures.summarise([3, 1, 2]) == figures.Figure(2, 1, 3, 3)
    assert figures.summarise([1, 4]).median == 2


def test_the_answer_has_medians_at_the_top_and_names_its_tools() -> None:
    answer = json.loads(output.to_json(figures.answer(figures.parse(PRINTED), YARDSTICK)))
    assert answer["sign_instructions"] == 9_500_000
    assert answer["table_bytes"] == 16384
    assert answer["heap_peak_bytes"] == 13056
    assert answer["figures"]["sign"] == {"median": 9_500_000, "min": 9_400_000, "max": 9_600_000, "runs": 3}
    assert (answer["micropython"], answer["gcc"], answer["qemu"]) == ("1.25.0", "12.2.0", "7.2.22")
    assert "elf" not in answer


def test_the_table_has_a_row_for_every_figure_that_was_measured() -> None:
    text = StringIO()
    Console(file=text, width=140).print(bench.draw(figures.parse(PRINTED), YARDSTICK))
    for word in ("9500000", "verify", "table_bytes", "16384", "12.2.0"):
        assert word in text.getvalue()
    assert "ecdh" not in text.getvalue()


def test_every_name_the_board_measures_has_its_line() -> None:
    elsewhere = ("living.py", "wire.py")  # on an emulated board and on this computer, read by others
    files = [file for file in run.ON_BOARD.glob("*.py") if file.name not in elsewhere]
    trees = [ast.parse(file.read_text()) for file in files]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    calls = [node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    names = {
        call.args[0].value
        for call in calls
        if getattr(call.func, "id", "") in ("cost", "measure", "print")
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }
    with_kernel = {name for name in {**figures.SUBJECTS, **figures.BYTES} if name.endswith("_kernel")}
    assert {name.removesuffix("_kernel") for name in with_kernel} <= names
    assert names == (set(figures.SUBJECTS) | set(figures.BYTES)) - with_kernel
