"""How many messages a second the collector takes, durably: one on one core, and two that share."""

import os
from statistics import median
from typing import Final

from hadeda.bench.collecting import rates
from hadeda.bench.conditions import Conditions
from hadeda.bench.row import Row, Target
from hadeda.bench.sharing import Shared, shared
from hadeda.errors import BenchError

NODES: Final = 20
REPORTS: Final = 96  # of each: a day, with one ratchet; with every fourth, the city seals a receipt
SHARED_NODES: Final = 21  # odd, so that the reports of one node go to both
RUNS: Final = 5
SHARE_MIN: Final = 0.6
UNIT: Final = "messages/s"


def rows(conditions: Conditions) -> list[Row]:
    """Into SQLite, and through Mosquitto into PostgreSQL."""
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
        _sharing(conditions, runs),
    ]


def _sharing(conditions: Conditions, runs: int) -> Row:
    name = "collector, Mosquitto to PostgreSQL, two sharing"
    found: list[Shared] = []
    try:
        for _ in range(runs):
            found.append(shared(SHARED_NODES, REPORTS))
            conditions.say("  one run of two collectors")
    except BenchError as error:
        return Row(name, None, UNIT, str(error))
    run = sorted(found, key=lambda one: one.clock_s)[runs // 2]
    rate = run.messages / run.clock_s
    costs = ", ".join(f"{1000 * cpu_s / run.messages:.2f} ms in {name}" for name, cpu_s in run.cpu_s.items())
    bottleneck, *rest = (f"{what} ({100 * share:.0f} percent)" for what, share in run.doing.items())
    how = (
        f"median of {runs}: a day's {run.messages} reports of {SHARED_NODES} nodes that wait at Mosquitto, by TLS to "
        f"two `hadeda collect --share`, by a Unix socket to PostgreSQL, both as installed (commits are on disk), on "
        f"{os.cpu_count()} cores that they share; on the clock. {rate / run.checks:.3g} of the peer. A message costs "
        f"{costs} of CPU. Of the collectors' time the most is {bottleneck}: the bottleneck; then "
        f"{', '.join(rest) or 'nothing'}. Peer: the same loop of P-256 verifications on one core, in the same run"
    )
    return Row(name, round(rate), UNIT, how, None, "bare P-256 verification", round(run.checks))
