"""What releases a window's counts, as the neighbouring-worlds experiment sees it, and bugs to plant into it.

A Release takes the true counts of a window's cells and the node's random generator, and gives what leaves the node for
that window: one row of cells for every time that it is sent. WITHHELD stands for a cell that is not told.
A Make gives the Release for an epsilon (in millionths) and a k; bugs wrap any Make.
"""

from __future__ import annotations

from collections.abc import Callable

from envelope.drbg import Drbg
from node import noise

WITHHELD = -1
SENDINGS = 3

Counts = tuple[int, ...]
Sent = list[list[int]]
Release = Callable[[Counts, Drbg], Sent]
Make = Callable[[int, int], Release]


def reference(epsilon_micro: int, k: int) -> Release:
    """The rule as the design has it, in six lines."""

    def release(counts: Counts, drbg: Drbg) -> Sent:
        drawn = noise.predraw(drbg, epsilon_micro, len(counts))
        noised = [count + more for count, more in zip(counts, drawn, strict=True)]
        message = [count if count >= k else WITHHELD for count in noised]
        return [message] * SENDINGS  # the sealed bytes are kept and sent again as they are

    return release


# What is tested. The node's own Minimiser takes the reference's place here.
MECHANISM: Make = reference


def noise_scale_halved(make: Make) -> Make:
    """As if epsilon were twice what is said."""
    return lambda epsilon_micro, k: make(2 * epsilon_micro, k)


def threshold_on_the_raw_count(make: Make) -> Make:
    """Whether a cell is told depends on the true count, not on the noised one."""

    def broken(epsilon_micro: int, k: int) -> Release:
        release = make(epsilon_micro, 1)

        def broken_release(counts: Counts, drbg: Drbg) -> Sent:
            rows = release(counts, drbg)
            return [[WITHHELD if count < k else cell for count, cell in zip(counts, row, strict=True)] for row in rows]

        return broken_release

    return broken


def noise_redrawn_on_resend(make: Make) -> Make:
    """Every sending of a window has fresh noise."""

    def broken(epsilon_micro: int, k: int) -> Release:
        release = make(epsilon_micro, k)
        return lambda counts, drbg: [release(counts, drbg)[0] for _ in range(SENDINGS)]

    return broken


def one_draw_for_all_cells(make: Make) -> Make:
    """The cells share their noise, so that differences between them are exact."""

    def broken(epsilon_micro: int, k: int) -> Release:
        release = make(epsilon_micro, k)

        def broken_release(counts: Counts, drbg: Drbg) -> Sent:
            seed = drbg.generate(32)
            cells = [release((count,), Drbg(seed)) for count in counts]
            return [[cell[sending][0] for cell in cells] for sending in range(SENDINGS)]

        return broken_release

    return broken


BUGS = (noise_scale_halved, threshold_on_the_raw_count, noise_redrawn_on_resend, one_draw_for_all_cells)
