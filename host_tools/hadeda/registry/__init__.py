"""The registry: which nodes a city has, with which keys, and every report it has received (SQLite by SQLAlchemy)."""

from hadeda.registry.cells import Cell, cell_names
from hadeda.registry.database import Database
from hadeda.registry.nodes import Epoch, Node, enrol, find_node, nodes, revoke
from hadeda.registry.quarantine import Refused, refused
from hadeda.registry.reports import CellCount, SensorFault, StoredReport, count_reports, reports

__all__ = [
    "Cell",
    "CellCount",
    "Database",
    "Epoch",
    "Node",
    "Refused",
    "SensorFault",
    "StoredReport",
    "cell_names",
    "count_reports",
    "enrol",
    "find_node",
    "nodes",
    "refused",
    "reports",
    "revoke",
]
