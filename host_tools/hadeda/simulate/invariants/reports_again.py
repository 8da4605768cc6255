"""Invariant: when the last fault is over, a node reports again within two windows, with no human help.

The second window's report is in the city a slot and a session after its end. A node that the city holds, because its
registry came back from a backup, has to hear and echo a challenge first: two windows more. Where the radio is on after
every so many windows only, all of it takes so many times longer.
"""

from typing import TYPE_CHECKING, Final

from hadeda.collect.collector import Outcome, Status
from hadeda.simulate.provisioning import name_of

if TYPE_CHECKING:
    from hadeda.simulate.street import Street

SLOT_US: Final = 120_000_000
WINDOWS: Final = 2
WINDOWS_HELD: Final = 4


class ReportsAgain:
    """Listens to what the collector stores after the last fault."""

    name = "reports_again"

    def __init__(self, street: "Street") -> None:
        self._street = street
        self._heard_us: dict[str, int] = {}
        street.on_outcome.append(self._hear)

    def _hear(self, outcome: Outcome) -> None:
        now_us = self._street.agenda.now_us
        if outcome.status in (Status.STORED, Status.REPEATED) and now_us >= self._street.faults.end_us:
            self._heard_us.setdefault(outcome.node, now_us)

    def violations(self, street: "Street", *, final: bool) -> list[str]:  # noqa: ARG002
        sleep = street.wanted.board.sleep
        windows = (WINDOWS if street.restored_us is None else WINDOWS_HELD) * (sleep.radio_every if sleep else 1)
        limit_us = street.faults.end_us + windows * street.window_s * 1_000_000 + SLOT_US
        if street.agenda.now_us < limit_us:
            return []
        return [
            f"board {post.number} has not reported {windows} windows after the last fault"
            for post in street.posts
            if self._heard_us.get(name_of(post.number), limit_us + 1) > limit_us
        ]
