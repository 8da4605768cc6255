"""Invariant: the heap does not grow from day to day. A node that keeps something of every window dies one day.

Read in the nodes' own health reports: the high-water mark since boot, in steps of 4 KB. In its first day a node meets
what there is to meet; after that, a step is chance and two are a leak.
"""

from itertools import groupby
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from hadeda.registry.nodes import Node
from hadeda.registry.reports import HealthRow, ReportRow

if TYPE_CHECKING:
    from hadeda.simulate.street import Street

DAY_WINDOWS: Final = 96
STEP_BYTES: Final = 4096


class HeapSteady:
    """Compares the marks of each boot with its first day's; in a run of less than six days, with a sixth of it."""

    name = "heap_steady"

    def violations(self, street: "Street", *, final: bool) -> list[str]:
        if not final:
            return []
        windows = street.wanted.length_us // (street.window_s * 1_000_000)
        day = max(2, min(DAY_WINDOWS, windows // 6))
        found = []
        for (node, boots), marks in _marks(street):
            growth = marks[-1] - marks[day - 1] if len(marks) >= 2 * day else 0
            if growth > STEP_BYTES:
                found.append(f"{node}: heap has grown by {growth} bytes from day to day since its boot {boots}")
        return found


def _marks(street: "Street") -> list[tuple[tuple[str, int], list[int]]]:
    """For each node and boot, the marks in the order of its windows."""
    with street.city.database.read() as session:
        rows = session.execute(
            select(Node.name, HealthRow.boots, HealthRow.heap_high_water_bytes)
            .join(ReportRow, ReportRow.id == HealthRow.report)
            .join(Node, Node.id == ReportRow.node)
            .order_by(Node.name, HealthRow.boots, ReportRow.index)
        ).all()
    return [
        ((name, boots), [row[2] for row in group])
        for (name, boots), group in groupby(rows, key=lambda row: (row[0], row[1]))
    ]
