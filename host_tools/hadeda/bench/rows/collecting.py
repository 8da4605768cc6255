"""How many messages a second the collector takes, durably, on one core."""

from statistics import median
from typing import Final

from hadeda.bench.collecting import rates
from hadeda.bench.conditions import Conditions
from hadeda.bench.row import Row, Target

NODES: Final = 20
REPORTS: Final = 96  # of each: a day, with one ratchet; with every fourth, the city seals a receipt
RUNS: Final = 5
SHARE_MIN: Final = 0.6
UNIT: Final = "messages/s"


def rows(conditions: Conditions) -> list[Row]:
    """Into SQLite, measured; through Mosquitto into PostgreSQL, said."""
    runs = 1 if conditions.quick else RUNS
    found = rates(NODES, REPORTS, runs, lambda: conditions.say("  one run of the collector"))
    messages, checks = median(rate.messages for rate in found), median(rate.checks for rate in found)
    share = median(rate.messages / rate.checks for rate in found)
    clock = median(rate.messages_on_the_clock for rate in found)
    how = (
        f"median of {runs}: a day's {NODES * REPORTS} reports of {NODES} nodes (six channels, four cells; one ratchet) "
        "fed to a collector in one process on one core; SQLite, synchronous=FULL; receipts are sealed; a CPU "
        f"second, user and system; {clock:.0f} a second on the clock. Peer: a loop of P-256 verifications by the same "
        "OpenSSL, the key loaded once, on the same core in the same run"
    )
    ratio = "the two rates' ratio, run by run; see the row above"
    return [
        Row("collector into SQLite", round(messages), UNIT, how, None, "bare P-256 verification", round(checks)),
        Row("collector, share of bare verification", round(share, 4), "1", ratio, Target(">=", SHARE_MIN)),
        Row("collector, Mosquitto to PostgreSQL, two sharing", None, UNIT, POSTGRESQL),
    ]


POSTGRESQL: Final = (
    "cannot be measured yet: the registry opens SQLite files only (registry/database.py), and the collector's session "
    "at the broker is MQTT 3.1.1 with one client id, that two cannot share; both have to come before a figure"
)
