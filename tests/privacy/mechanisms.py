"""What releases a window's counts, as the neighbouring-worlds experiment sees it, and bugs to plant into it.

A Release takes the true counts of a window's cells and the node's random generator, and gives what leaves the node for
that window: one row of cells for every time that it is sent. WITHHELD stands for a cell that is not told.
A Make gives the Release for an epsilon (in millionths) and a k; bugs wrap any Make.
"""

from __future__ import annotations

from collections.abc import Callable

from envelope import labels
from envelope.drbg import Drbg
from node import noise, sample
from node.minimise import Minimiser
from node.policy import Policy

WITHHELD = -1
SENDINGS = 3

Counts = tuple[int, ...]
Sent = list[list[int]]
Release = Callable[[Counts, Drbg], Sent]
Make = Callable[[int, int], Release]


def reference(epsilon_micro: int, k: int) -> Release:
    """The rule as the design has it, in six lines: what the node is compared with, draw by draw."""

    def release(counts: Counts, drbg: Drbg) -> Sent:
        drawn = noise.predraw(drbg, epsilon_micro, len(counts))
        noised = [count + more for count, more in zip(counts, drawn, strict=True)]
        message = [count if count >= k else WITHHELD for count in noised]
        return [message] * SENDINGS  # the sealed bytes are kept and sent again as they are

    return release


def node(epsilon_micro: int, k: int) -> Release:
    """The node's own Minimiser, fed with passages as the sampler does, its release granted and sealed once."""
    window_s = 900

    def release(counts: Counts, drbg: Drbg) -> Sent:
        content = {
            labels.POLICY_VERSION: 1,
            labels.POLICY_WINDOW: window_s,
            labels.POLICY_CHANNELS: [],
            labels.POLICY_CELLS: {
                labels.CELLS_CLASSES: [f"class {cell}" for cell in range(len(counts))],
                labels.CELLS_DIRECTIONS: ["any"],
                labels.CELLS_SPEED_BANDS: [],
            },
            labels.POLICY_K: k,
            labels.POLICY_EPSILON_RELEASE: epsilon_micro,
            labels.POLICY_EPSILON_DAY: epsilon_micro,
        }
        minimiser = Minimiser(Policy(content, {labels.FLOOR_WINDOW: window_s}), 1, {0: (0, ())})
        minimiser.open(drbg)
        event = sample.empty_event()
        for cell, count in enumerate(counts):
            event[0], event[1], event[2], event[3] = sample.PASSAGE, cell, 0, 40
            for _ in range(count):
                minimiser.add(event)
        told = minimiser.release(minimiser.cost(window_s) == epsilon_micro).traffic
        return [[WITHHELD if count < 0 else count for count in told]] * SENDINGS

    return release


# What is tested.
MECHANISM: Make = node


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
