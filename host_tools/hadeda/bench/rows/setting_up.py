"""How long a newcomer waits: from an empty clone to the demo's first result, and once more when all is there."""

from statistics import median
from typing import Final

from hadeda.bench.conditions import Conditions
from hadeda.bench.row import Row, Target
from hadeda.bench.set_up import clone, first_result_s

RUNS: Final = 5
COLD_MAX_S: Final = 180.0
WARM_MAX_S: Final = 20.0


def rows(conditions: Conditions) -> list[Row]:
    """Cold and warm."""
    cold, warm = [], []
    for run in range(RUNS):
        conditions.say(f"  an empty clone, {run + 1} of {RUNS}")
        with clone() as folder:
            cold.append(first_result_s(folder))
            warm.append(first_result_s(folder))
    what = "./run demo to its first stored report, in a new clone in a temporary folder"
    first = (
        f"median of {RUNS}: {what}; home and caches empty, so packages are downloaded and MicroPython is built; what "
        f"apt has installed stays; {min(cold):.0f} to {max(cold):.0f} s; depends on this machine and its network"
    )
    again = f"median of {RUNS}: the same once more, everything there; {min(warm):.1f} to {max(warm):.1f} s"
    return [
        Row("set-up, empty clone to first result", round(median(cold), 1), "s", first, Target("<=", COLD_MAX_S)),
        Row("set-up, warm", round(median(warm), 1), "s", again, Target("<=", WARM_MAX_S)),
    ]
