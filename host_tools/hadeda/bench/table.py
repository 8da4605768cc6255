"""The bench table: which figures there are, measured one after the other, drawn for people.

A module of rows/ has `rows(conditions)`; SLOW ones are left out of the quick table, and what they measure with them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from hadeda.bench.conditions import Conditions
from hadeda.bench.row import Row
from hadeda.cli import output

if TYPE_CHECKING:
    from rich.table import Table

FAST: Final = ("sealing", "samples", "board", "flash", "wire", "energy", "collecting", "emulating")
SLOW: Final = ("setting_up",)


def measure(conditions: Conditions) -> list[Row]:
    """Every row, in the table's order; raises BenchError with what to install."""
    found: list[Row] = []
    for name in FAST if conditions.quick else (*FAST, *SLOW):
        conditions.say(f"measuring: {name.replace('_', ' ')}")
        found += import_module(f"hadeda.bench.rows.{name}").rows(conditions)
    return found


def draw(rows: list[Row]) -> "Table":
    """A line for each row; how it was measured is in the JSON."""
    columns = ("", "value", "unit", "target", "met", "peer", "peer's value")
    cells = [
        (
            row.name,
            _figure(row.value),
            row.unit,
            row.answer()["target"],
            "yes" if row.met else "no",
            row.peer,
            _figure(row.peer_value),
        )
        for row in rows
    ]
    return output.table("What Hadeda costs", columns, cells)


def _figure(value: float | None) -> str:
    """At most four significant digits, thousands apart."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
