"""Invariant: no budget is forgotten. Within a ledger day what is spent never goes down, whatever happens to the node.

Read in the node's NVS as it stands in flash. A ledger day ends when a day of windows has been accounted for.
"""

import struct
from typing import TYPE_CHECKING, Final

from hadeda.simulate.lamp_post import LampPost

if TYPE_CHECKING:
    from hadeda.simulate.street import Street

DAY_S: Final = 86_400
ROW: Final = struct.Struct(">II")  # seconds of the ledger day, spent in millionths


class LedgerKept:
    """Compares each ledger row with the one before."""

    name = "ledger_kept"

    def __init__(self, street: "Street") -> None:
        self._found: list[str] = []
        self._before: dict[int, tuple[int, int]] = {}
        for post in street.posts:
            post.on_rest.append(self._look)

    def _look(self, post: LampPost) -> None:
        record = post.emulated.nvs.blob("hadeda", "ledger")
        if record is None or not post.emulated.powered:  # what the power cut off as it was written was never spent
            return
        elapsed_s, spent = ROW.unpack_from(record)
        before_s, spent_before = self._before.get(post.number, (0, 0))
        if before_s < DAY_S and (elapsed_s < before_s or spent < spent_before):
            self._found.append(
                f"board {post.number}: {spent_before} millionths spent {before_s} s into the ledger day, "
                f"then {spent} after {elapsed_s} s"
            )
        self._before[post.number] = elapsed_s, spent

    def violations(self, street: "Street", *, final: bool) -> list[str]:  # noqa: ARG002
        found, self._found = self._found, []
        return found
