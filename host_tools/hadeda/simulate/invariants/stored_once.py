"""Invariant: every window is stored by the city exactly once, or in a gap that its node has signed, or was open
when the power was cut.

A gap may also be the place of a report that the power cut off while it was written: that window was open.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hadeda.simulate.street import Street


class StoredOnce:
    """Compares the street's own count of windows, what the flash shows as sealed, and what the city has."""

    name = "stored_once"

    def violations(self, street: "Street", *, final: bool) -> list[str]:
        found = []
        stored = street.stored_numbers()
        if len(set(stored)) != len(stored):
            found.append(f"{len(stored) - len(set(stored))} reports are stored more than once")
        if not final:
            return found
        for post in street.posts:
            missing, gaps = street.missing(post), street.gaps_of(post)
            if len(missing) > gaps:
                numbers = ", ".join(f"{kid.hex()}/{number}" for kid, number in missing[:5])
                found.append(
                    f"board {post.number}: {len(missing)} sealed reports never arrived, {gaps} in gaps ({numbers})"
                )
            sealed = len(post.sealed.numbers)
            # A report that the flash did not take is in a gap; so may be one that the power cut off as it was written
            refused = max(0, gaps - len(missing))
            if post.windows.opened - sealed > post.windows.cuts + post.windows.unsure + refused:
                found.append(
                    f"board {post.number}: {post.windows.opened} windows opened, {sealed} sealed, "
                    f"{post.windows.cuts} cut"
                )
        return found
