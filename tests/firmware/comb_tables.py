"""The comb of a point, by the host's tools: on MicroPython too, where they are in no path."""

import io
import sys

if "host_tools" not in sys.path:
    sys.path.append("host_tools")

from hadeda.provision.comb import tables
from ports.table import Table

__all__ = ["comb", "content", "of", "tables"]


def comb(x, y, count):
    """The comb of a point, as the node has it."""
    return of(tables(x, y, count))


def of(parts):
    """Tables with this content, a piece of bytes each."""
    return tuple([Table(io.BytesIO(part), 0, len(part)) for part in parts])


def content(comb):
    """Its tables' content, each in one piece."""
    found = [bytearray(len(table)) for table in comb]
    for table, target in zip(comb, found):  # noqa: B905 (MicroPython)
        table.read(0, target)
    return tuple([bytes(target) for target in found])
