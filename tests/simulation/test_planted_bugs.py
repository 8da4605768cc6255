"""For every invariant a planted bug: a storm finds it, through that invariant.

Checkers only watch, so a run in which one alone complains is a run in which, without that checker, the bug slips
through.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import pytest
import storm_bugs
from simulated_street import WINDOW_US, BuildStreet

from hadeda.simulate.storm import Storm


class Bug(NamedTuple):
    """What is planted, which invariant finds it, in so many windows, at the how manieth seed."""

    patch: str
    invariant: str
    windows: int
    seeds: int


BUGS: Final = {
    "loses reports": Bug(storm_bugs.LOSES_REPORTS, "stored_once", 10, 1),
    "repeats numbers": Bug(storm_bugs.REPEATS_NUMBERS, "nonce_reuse", 6, 1),
    "releases twice": Bug(storm_bugs.RELEASES_TWICE, "released_once", 6, 1),
    "forgets budget": Bug(storm_bugs.FORGETS_BUDGET, "ledger_kept", 10, 1),
    "repeats orders": Bug(storm_bugs.REPEATS_ORDERS, "orders_once", 6, 2),
    "gives up": Bug(storm_bugs.GIVES_UP, "reports_again", 10, 1),
    "keeps plaintext": Bug(storm_bugs.KEEPS_PLAINTEXT, "flash_opaque", 6, 1),
    "copies keys": Bug(storm_bugs.COPIES_KEYS, "flash_opaque", 6, 1),
    "leaks": Bug(storm_bugs.LEAKS, "heap_steady", 12, 1),
}


def complaints(build_storm: BuildStreet, bug: Bug, seed: int) -> set[str]:
    """The invariants that complain under this seed's storm."""
    street = build_storm(lambda _seed, boards, length_us: Storm(seed, boards, length_us), bug.windows)
    storm_bugs.plant(street.posts[0].flash_file, bug.patch)
    street.run(lambda _: None, to_the_end=True)
    assert street.agenda.now_us > (bug.windows - 1) * WINDOW_US
    return {violation.split(":")[0] for violation in street.violations}


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found_by_its_invariant(name: str, build_street: BuildStreet) -> None:
    bug = BUGS[name]
    found = [complaints(build_street, bug, seed) for seed in range(1, bug.seeds + 1)]
    assert found[-1] == {bug.invariant}
