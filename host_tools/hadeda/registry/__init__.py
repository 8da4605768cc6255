"""The registry: which nodes a city has, with which keys, and every report it has received.

Every module with a table is imported here, so that a new database has them all whoever makes it.
"""

from hadeda.registry.cells import Cell, cell_names
from hadeda.registry.commands import Command, CommandState
from hadeda.registry.database import Database
from hadeda.registry.enrolling import enrol
from hadeda.registry.epochs import Chain, Epoch, EpochState, Standing
from hadeda.registry.nodes import Node, find_node, nodes
from hadeda.registry.outbox import Gap, count_lost, gaps
from hadeda.registry.policies import PolicyRow
from hadeda.registry.quarantine import Refused, refused
from hadeda.registry.reports import CellCount, SensorFault, StoredReport, count_reports, reports
from hadeda.registry.restoring import hold_all
from hadeda.registry.revoking import revoke

__all__ = [
    "Cell",
    "CellCount",
    "Chain",
    "Command",
    "CommandState",
    "Database",
    "Epoch",
    "EpochState",
    "Gap",
    "Node",
    "PolicyRow",
    "Refused",
    "SensorFault",
    "Standing",
    "StoredReport",
    "cell_names",
    "count_lost",
    "count_reports",
    "enrol",
    "find_node",
    "gaps",
    "hold_all",
    "nodes",
    "refused",
    "reports",
    "revoke",
]
