"""Invariant: no command is executed twice. The city's order to reboot shows: a board starts again once for each."""

from typing import TYPE_CHECKING

from hadeda.emulator.board import HARD_RESET

if TYPE_CHECKING:
    from hadeda.simulate.street import Street


class OrdersOnce:
    """Counts the resets that a board's program asked for, but for those it says it wants itself."""

    name = "orders_once"

    def violations(self, street: "Street", *, final: bool) -> list[str]:  # noqa: ARG002
        found = []
        for post in street.posts:
            reboots = post.emulated.resets.count(HARD_RESET) - post.told_to_reset
            if reboots > post.reboots_ordered:
                found.append(f"board {post.number}: {post.reboots_ordered} reboots ordered, {reboots} done")
        return found
