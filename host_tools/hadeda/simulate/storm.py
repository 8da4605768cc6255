"""Bad weather from one seed: the profile `storm`.

The fault model. Between two minutes after the start and a calm at the end, every board meets, by chance:

    power       it fails at any moment, or at any flash operation: before it, in the middle of a program (any prefix of
                its bytes is there), after its last byte, or in an erase (arbitrary bits are left); it is back after
                seconds, minutes or an eighth of the storm. It dips several times in a row, some seconds apart, so that
                boots are cut short too; RTC memory survives a dip
    processor   the program hangs until the watchdog bites
    heap        after a dip of the supply allocations fail, be it in the boot or days later
    flash       is full of something else, but for up to three blocks, from one power-up to another; a bit of a stored
                report turns over. Rot strikes the data of segments, not littlefs' own blocks: a file system that rots
                is a broken node
    sensors     do not answer, hold the bus down, flip bits, fall silent, send garbage or pieces (chips/faults.py)
    clock       the time server lies by seconds, hours, days or a year, either way, or does not answer
    radio       the access point is gone for a minute up to a fifth of the storm
    line        loses, delays and doubles packets, is silent in one direction only (a half-open connection), or
                resets a connection in the middle of what is sent
    command     the city orders a reboot

and the city:

    broker      restarts with its disk or without, told or not; refuses everybody; is off. It acknowledges reports that
                the collector has not come for, and then loses its disk
    collector   is down, or slow: up to a minute between it and the broker
    registry    comes back from a backup that is some hours old, once, in the storm's first half

What is not in it: several of the city's disks lost at once, a flash that wears out, and a stranger on the wire, for
whom there are tests of their own. Every board's weather is drawn apart from the others', and the city's from the seed
alone.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from hadeda.emulator.flash import PowerCut
from hadeda.simulate import mishaps
from hadeda.simulate.agenda import CITY
from hadeda.simulate.faults import Faults

if TYPE_CHECKING:
    from hadeda.simulate.lamp_post import LampPost
    from hadeda.simulate.street import Street

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
FIRST_US: Final = 2 * MINUTE_US
CALM_US: Final = 45 * MINUTE_US  # at least; three windows of the street's policy
# Of the node's program, until some fail: from its imports on, before which its heap is all but empty
ALLOCATIONS: Final = (3_000, 10_000_000)
OPERATIONS_MAX: Final = 60  # of the flash, until the one that is cut: a report takes about ten, a boot twenty
LIES_S: Final = (3.0, 90.0, 3600.0, 86_400.0, 365 * 86_400.0)

Call = Callable[["Street", int], None]


@dataclass(order=True)
class Incident:
    """What happens at a moment to a board, or to the city."""

    at_us: int
    who: int
    turn: int
    call: Call = field(compare=False)


@dataclass(frozen=True)
class Spell:
    """A line is bad from `start_us` to `end_us`: it loses by chance, all of one direction perhaps, delays, doubles."""

    start_us: int
    end_us: int
    loss: float
    mute: bool | None
    slower: int
    doubles: float


class Storm(Faults):
    """Draws the plan when it is made; what depends on what boards do (flash operations, packets) as they do it."""

    def __init__(self, seed: int, boards: int, length_us: int) -> None:
        super().__init__(seed, boards, length_us)
        self.end_us = max(length_us - max(CALM_US, length_us // 8), FIRST_US)
        self._plan: list[Incident] = []
        self._turn = 0
        self._draws = [random.Random(f"storm {seed} {board}") for board in range(boards)]
        self._spells: list[list[Spell]] = [[] for _ in range(boards)]
        self._cut_after = [0] * boards  # flash operations; 0: none is cut
        self._sever_after = [0] * boards  # sends
        self._dark_until_us = [0] * boards
        self._street: Street | None = None
        self._at(0, CITY, self._begin)
        if self.end_us > FIRST_US:
            for board in range(boards):
                self._draw_board(board, random.Random(f"weather {seed} {board}"))
            self._draw_city(random.Random(f"weather of the city {seed}"))

    # --- drawing -----------------------------------------------------------------------------------------------

    def _at(self, at_us: int, who: int, call: Call) -> None:
        self._turn += 1
        heappush(self._plan, Incident(at_us, who, self._turn, call))

    def _starts(self, rng: random.Random, every_hours: float) -> list[int]:
        """Moments for one kind of incident: in a short storm none, one or two, in a long one about so often."""
        length_us = self.end_us - FIRST_US
        count = rng.randint(0, 2) if rng.random() < 0.7 else 0
        count += round(length_us / HOUR_US / every_hours * rng.uniform(0.5, 1.5))
        return sorted(rng.randrange(FIRST_US, self.end_us) for _ in range(min(count, 1 + length_us // (5 * MINUTE_US))))

    def _end(self, rng: random.Random, start_us: int, shortest_us: int, part: float) -> int:
        """The end of what lasts: short or long with equal chance on a scale of logarithms, never beyond the storm."""
        longest_us = max(2 * shortest_us, (self.end_us - FIRST_US) * part)
        lasts_us = shortest_us * math.pow(longest_us / shortest_us, rng.random())
        return min(self.end_us, start_us + round(lasts_us))

    def _draw_board(self, board: int, rng: random.Random) -> None:
        for at_us in self._starts(rng, 4):
            self._at(at_us, board, partial(self._arm, self._cut_after, board, rng.randint(1, OPERATIONS_MAX)))
        for at_us in self._starts(rng, 12):
            self._at(at_us, board, partial(self._unplug, board, self._end(rng, at_us, SECOND_US, 1 / 8)))
        for at_us in self._starts(rng, 12):
            moment_us = at_us
            for _ in range(rng.randint(1, 6)):
                self._at(moment_us, board, self._on(board, lambda post, _: post.brown_out()))
                moment_us = min(self.end_us, moment_us + round(rng.uniform(0.3, 30) * SECOND_US))
        for at_us in self._starts(rng, 24):
            self._at(at_us, board, self._on(board, mishaps.hang))
        for at_us in self._starts(rng, 12):
            self._at(at_us, board, self._on(board, partial(mishaps.rot, rng.getrandbits(32))))
        for at_us in self._starts(rng, 36):
            self._at(at_us, board, partial(self._fill, board, rng.randint(0, 3)))
            self._at(self._end(rng, at_us, 10 * MINUTE_US, 1 / 6), board, partial(self._clear, board))
        for at_us in self._starts(rng, 16):
            self._at(at_us, board, partial(self._order_reboot, board))
        self._draw_line(board, rng)
        self._draw_heap(board, rng)

    def _draw_line(self, board: int, rng: random.Random) -> None:
        for at_us in self._starts(rng, 12):
            lie_s = rng.choice((None, *LIES_S, *(-lie for lie in LIES_S)))
            self._during(at_us, self._end(rng, at_us, 10 * MINUTE_US, 1 / 4), board, partial(mishaps.lie, lie_s))
        for at_us in self._starts(rng, 12):
            self._during(at_us, self._end(rng, at_us, MINUTE_US, 1 / 5), board, mishaps.lose_radio)
        for at_us in self._starts(rng, 6):
            self._at(at_us, board, partial(self._arm, self._sever_after, board, rng.randint(1, 8)))
        for at_us in self._starts(rng, 6):
            spell = Spell(
                at_us,
                self._end(rng, at_us, MINUTE_US, 1 / 4),
                rng.choice((0.0, 0.05, 0.5)),
                rng.choice((None, None, False, True)),
                rng.choice((1, 10, 100)),
                rng.choice((0.0, 0.5)),
            )
            self._spells[board].append(spell)

    def _draw_heap(self, board: int, rng: random.Random) -> None:
        for at_us in self._starts(rng, 12):
            fewest, most = ALLOCATIONS
            after = round(fewest * math.pow(most / fewest, rng.random()))
            self._at(at_us, board, self._on(board, partial(mishaps.starve, after)))

    def _draw_city(self, rng: random.Random) -> None:
        for at_us in self._starts(rng, 12):
            keep, told = rng.random() < 0.5, rng.random() < 0.5
            self._at(at_us, CITY, partial(mishaps.restart_broker, keep, told))
        for at_us in self._starts(rng, 24):
            name = rng.choice(("silent", "refusing"))
            self._at(at_us, CITY, partial(mishaps.stop_broker, name))
            self._at(self._end(rng, at_us, MINUTE_US, 1 / 8), CITY, partial(mishaps.mend_broker, name))
        for at_us in self._starts(rng, 24):
            end_us = self._end(rng, at_us, MINUTE_US, 1 / 8)
            self._at(at_us, CITY, mishaps.stop_collector)
            if rng.random() < 0.5:
                self._at(end_us, CITY, partial(mishaps.restart_broker, False, True))
            self._at(end_us, CITY, mishaps.start_collector)
        for at_us in self._starts(rng, 24):
            self._at(at_us, CITY, partial(mishaps.slow_collector, round(rng.uniform(1, 60) * SECOND_US)))
            self._at(self._end(rng, at_us, MINUTE_US, 1 / 8), CITY, mishaps.hurry_collector)
        if rng.random() < 0.5:
            backup_us, restored_us = sorted(rng.randrange(FIRST_US, (FIRST_US + self.end_us) // 2) for _ in range(2))
            self._at(backup_us, CITY, mishaps.back_up)
            self._at(restored_us, CITY, mishaps.restore)

    def _during(self, start_us: int, end_us: int, board: int, change: "Callable[[bool, LampPost, int], None]") -> None:
        """`change(True, ...)` at the start, `change(False, ...)` at the end."""
        self._at(start_us, board, self._on(board, partial(change, True)))
        self._at(end_us, board, self._on(board, partial(change, False)))

    def _on(self, board: int, change: "Callable[[LampPost, int], None]") -> Call:
        """A call for a board, where it stands in this street."""

        def call(street: "Street", at_us: int) -> None:
            post = street.post(board)
            if post is not None:
                change(post, at_us)

        return call

    # --- what happens at moments -------------------------------------------------------------------------------

    def next_us(self) -> int | None:
        return self._plan[0].at_us if self._plan else None

    def moment(self, street: "Street") -> None:
        incident = heappop(self._plan)
        incident.call(street, incident.at_us)

    def _begin(self, street: "Street", _at_us: int) -> None:
        self._street = street
        for post in street.posts:
            rng = random.Random(f"sensors {self.seed} {post.number}")
            mishaps.spoil_sensors(
                post,
                rng,
                street.start_s,
                [(at_us, self._end(rng, at_us, MINUTE_US, 1 / 6)) for at_us in self._starts(rng, 4)],
            )

    def _arm(self, counters: list[int], board: int, count: int, _street: "Street", _at_us: int) -> None:
        counters[board] = count

    def _unplug(self, board: int, until_us: int, street: "Street", at_us: int) -> None:
        post = street.post(board)
        if post is not None:
            if post.emulated.powered:
                post.power_off()
            self._stay_dark(street, board, max(at_us, until_us))

    def _stay_dark(self, street: "Street", board: int, until_us: int) -> None:
        """A board that is off gets its power back then, unless it is to be off for longer."""
        self._dark_until_us[board] = max(self._dark_until_us[board], until_us)

        def plug_in() -> None:
            post = street.post(board)
            if post is not None and not post.emulated.powered and street.agenda.now_us >= self._dark_until_us[board]:
                post.power_on(street.agenda.now_us)

        street.agenda.at(until_us, board, plug_in)

    def _fill(self, board: int, blocks: int, street: "Street", at_us: int) -> None:
        self._unplug(board, at_us + SECOND_US, street, at_us)
        post = street.post(board)
        if post is not None:
            mishaps.fill_flash(post, blocks)

    def _clear(self, board: int, street: "Street", at_us: int) -> None:
        self._unplug(board, at_us + SECOND_US, street, at_us)
        post = street.post(board)
        if post is not None:
            mishaps.clear_flash(post)

    def _order_reboot(self, board: int, street: "Street", _at_us: int) -> None:
        post = street.post(board)
        if post is not None:
            mishaps.order_reboot(street, post)

    # --- what is asked while it happens ------------------------------------------------------------------------

    def before_flash(self, board: int, at_us: int, address: int, data: bytes | None) -> None:  # noqa: ARG002
        if not self._cut_after[board] or self._street is None or at_us >= self.end_us:
            return
        self._cut_after[board] -= 1
        if self._cut_after[board]:
            return
        rng = self._draws[board]
        until_us = min(self.end_us, at_us + round(rng.choice((1, 10, 600)) * rng.uniform(0.5, 1.5) * SECOND_US))
        self._stay_dark(self._street, board, max(at_us, until_us))
        if data is None:
            raise PowerCut(garbage=rng.choice((None, rng.getrandbits(32))))
        raise PowerCut(rng.choice((0, rng.randint(0, len(data)), len(data))))

    def severs(self, board: int, at_us: int) -> bool:
        if not self._sever_after[board] or at_us >= self.end_us:
            return False
        self._sever_after[board] -= 1
        return not self._sever_after[board]

    def segment(self, board: int, at_us: int, up: bool) -> int | None:
        took_us = super().segment(board, at_us, up)
        for spell in self._spells_at(board, at_us):
            if spell.mute is up or self._draws[board].random() < spell.loss:
                return None
            took_us = took_us and took_us * spell.slower
        return took_us

    def datagram(self, board: int, at_us: int, up: bool) -> list[int]:
        copies = [self.segment(board, at_us, up)]
        if any(self._draws[board].random() < spell.doubles for spell in self._spells_at(board, at_us)):
            copies.append(self.segment(board, at_us, up))
        return [took_us for took_us in copies if took_us is not None]

    def _spells_at(self, board: int, at_us: int) -> list[Spell]:
        return [spell for spell in self._spells[board] if spell.start_us <= at_us < spell.end_us]
