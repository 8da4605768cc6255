"""Invariant: every window is stored by the city exactly once, or was open when the power was cut (issue 5, no. 1)."""

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
            sealed = set(post.sealed.numbers)
            missing = sorted(sealed - set(stored))
            if missing:
                numbers = ", ".join(f"{kid.hex()}/{number}" for kid, number in missing[:5])
                found.append(f"board {post.number}: {len(missing)} sealed reports never arrived ({numbers})")
            lost = post.windows.opened - len(sealed)
            if not 0 <= lost <= post.windows.cuts:
                found.append(
                    f"board {post.number}: {post.windows.opened} windows opened, {len(sealed)} sealed, "
                    f"{post.windows.cuts} cut"
                )
        return found
