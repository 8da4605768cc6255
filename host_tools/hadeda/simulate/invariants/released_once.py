"""Invariant: a window is released once, with one noise (DESIGN section 2, law 3): none is sealed a second time.

Since its boot a node has sealed at most one report for each window that is over; the one that is open has none yet.
"""

from typing import TYPE_CHECKING

from hadeda.simulate.lamp_post import LampPost

if TYPE_CHECKING:
    from hadeda.simulate.street import Street


class ReleasedOnce:
    """Counts both, whenever a board comes to rest: the street's own count, and what stands in the flash."""

    name = "released_once"

    def __init__(self, street: "Street") -> None:
        self._found: dict[int, str] = {}
        for post in street.posts:
            post.on_rest.append(self._look)

    def _look(self, post: LampPost) -> None:
        over, sealed = post.windows.since_boot
        if post.windows.running and sealed > over:
            self._found.setdefault(post.number, f"board {post.number}: {over} windows are over, {sealed} are sealed")

    def violations(self, street: "Street", *, final: bool) -> list[str]:  # noqa: ARG002
        return list(self._found.values())
