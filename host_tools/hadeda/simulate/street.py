"""A simulated street: boards, network, broker, collector and faults, moved through one virtual time in one order.

A board computes until it sleeps; then it waits for whatever comes first in its own time. Boards know nothing of each
other, only of the city, and what the city sends arrives after it was sent. So a board may go ahead of the others up to
the next event of the network, one with no socket open even beyond it, and nobody ever learns of what has not happened
yet: in whatever order boards are moved, the same things happen. The city's events and the faults happen in order of
time, a fault after the events of its microsecond. Everything random comes from the seed.
"""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sqlalchemy import select

from hadeda import randomness
from hadeda.board import Board
from hadeda.city import City
from hadeda.city.policies import for_provisioning
from hadeda.collect.collector import Outcome, Status
from hadeda.envelope import parse_sealed
from hadeda.registry.nodes import select_node
from hadeda.registry.outbox import gaps
from hadeda.registry.reports import ReportRow
from hadeda.scenario import World
from hadeda.simulate import invariants
from hadeda.simulate.agenda import CITY, Agenda
from hadeda.simulate.broker import PORT, Broker
from hadeda.simulate.city_side import CollectorPost, logins, rights
from hadeda.simulate.clock import SimulatedTime
from hadeda.simulate.digest import WireDigest, rows_of
from hadeda.simulate.faults import Faults
from hadeda.simulate.lamp_post import LampPost
from hadeda.simulate.network import SimulatedNetwork
from hadeda.simulate.provisioning import CITY as CITY_FOLDER
from hadeda.simulate.provisioning import flash_file, name_of, seed_of
from hadeda.simulate.sealed_in_flash import Number
from hadeda.simulate.trace import Trace

POWER_UP_US: Final = 60_000_000  # boards are plugged in within a minute
CHECK_US: Final = 3_600_000_000  # between two questions whether all invariants hold
LOOK_US: Final = 10_000_000  # between two looks at whether everything has arrived
SETTLING_WINDOWS: Final = 12  # a node gives the city's receipt eight sessions before it sends a report once more
TELL_US: Final = 60_000_000  # between two words about how far it is
NEVER_US: Final = 1 << 62
Progress = Callable[[int], None]  # microseconds of the run that are done


@dataclass(frozen=True)
class Wanted:
    """What to simulate: `length_us` of `boards` boards under `profile`."""

    board: Board
    boards: int
    length_us: int
    seed: int
    profile: str


class Street:
    """A context manager over a folder that `prepare` has filled, and which it changes. `run` once, then ask.

    `numbers` are the boards that stand in this one, of all that are wanted.
    """

    def __init__(self, wanted: Wanted, faults: Faults, folder: Path, numbers: Sequence[int] | None = None) -> None:
        self.wanted = wanted
        self.faults = faults
        self.agenda = Agenda()
        self.trace = Trace()
        self.numbers = range(wanted.boards) if numbers is None else numbers
        self.wire = WireDigest()
        self.posts: list[LampPost] = []
        self.violations: list[str] = []
        self.violated_us: int | None = None
        self.on_outcome: list[Callable[[Outcome], None]] = []
        self.restored_us: int | None = None  # when the registry came back from a backup
        self._folder = folder
        self._told_us = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack:
            self._stack.enter_context(randomness.seeded(self.wanted.seed))
            self._build()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _build(self) -> None:
        worlds = [World(seed=seed_of(self.wanted.seed, number)) for number in self.numbers]
        self.start_s = worlds[0].start_s
        self.city = self._stack.enter_context(City.open(self._folder / CITY_FOLDER))
        self.window_s = for_provisioning(self.city).policy.window_s
        self.broker = Broker(self.agenda, logins(self.city), rights(self.city))
        for number, world in zip(self.numbers, worlds, strict=True):
            post = LampPost(
                number,
                self.wanted.board,
                world,
                flash_file(self._folder, number),
                self.faults,
                self._network,
                self.window_s,
                self.trace,
            )
            self._stack.callback(post.emulated.close)
            self.posts.append(post)
        self.collector = CollectorPost(self.city, self.agenda, self.broker, self.start_s)
        self.collector.on_outcome = self._note_outcome
        self.invariants = invariants.all_of(self)

    def post(self, number: int) -> LampPost | None:
        """The board with this number, where it stands here."""
        return next((post for post in self.posts if post.number == number), None)

    def note(self, text: str) -> None:
        """Into the trace of events: this happened to the city."""
        self.trace.note(self.agenda.now_us, CITY, text)

    def _network(self, board: int, clock: SimulatedTime) -> SimulatedNetwork:
        return SimulatedNetwork(
            board, clock, self.agenda, {PORT: self.broker}, self.faults, self.start_s, self.wire.take
        )

    def _note_outcome(self, outcome: Outcome) -> None:
        what = f"{outcome.status.value} {outcome.node} {outcome.epoch}/{outcome.sequence} {outcome.reason}".rstrip()
        self.note(what)
        for tell in self.on_outcome:
            tell(outcome)

    # --- time --------------------------------------------------------------------------------------------------

    def run(self, done: Progress, *, to_the_end: bool = False) -> None:
        """Let the whole time pass, then let what was sealed arrive, board by board, and pull its plug.

        Ends with the hour in which an invariant was violated, unless it is to go on `to_the_end`.
        """
        self.collector.start()
        for post in self.posts:
            self._plug_in(post)
        for start_us in range(0, self.wanted.length_us, CHECK_US):
            self.run_until(min(start_us + CHECK_US, self.wanted.length_us), done)
            self.check(final=False)
            if self.violations and not to_the_end:
                return
        limit_us = self.wanted.length_us + SETTLING_WINDOWS * self.window_s * 1_000_000
        until_us = self.wanted.length_us
        while True:
            for post in self.posts:
                post.catch_up(until_us)
                arrived = len(self.missing(post)) <= self.gaps_of(post)
                if post.emulated.powered and (until_us >= limit_us or arrived):
                    post.power_off()
            if until_us >= limit_us or not any(post.emulated.powered for post in self.posts):
                break
            until_us += LOOK_US
            self.run_until(until_us, lambda _: None)
        self.check(final=True)

    def _plug_in(self, post: LampPost) -> None:
        seed = hashlib.sha256(f"{self.wanted.seed} plug {post.number}".encode()).digest()
        at_us = int.from_bytes(seed[:4], "big") % POWER_UP_US
        self.agenda.at(at_us, post.number, lambda: post.power_on(at_us))

    def run_until(self, until_us: int, done: Progress) -> None:
        """Let everything happen that is due by then."""
        while True:
            fault_us = _or_never(self.faults.next_us())
            last_us = min(fault_us - 1, until_us)
            self._boards_until(last_us)
            event_us = _or_never(self.agenda.next_us)
            now_us = min(event_us, fault_us, until_us)
            if now_us - self._told_us >= TELL_US or now_us == until_us:
                done(now_us - self._told_us)
                self._told_us = now_us
            if event_us <= last_us:
                self.agenda.happen()
            elif fault_us <= until_us:
                self._fault(fault_us)
            else:
                return

    def _boards_until(self, last_us: int) -> None:
        """Let every board live up to that moment, or up to an event of the network where it could be told of it."""
        for post in self.posts:
            while (next_us := post.next_us) is not None and next_us <= last_us:
                if not post.alone and next_us >= _or_never(self.agenda.next_us):
                    break
                post.live(next_us, last_us)

    def _fault(self, at_us: int) -> None:
        for post in self.posts:
            post.catch_up(at_us)
        self.agenda.advance(at_us)
        self.faults.moment(self)

    # --- what came of it ---------------------------------------------------------------------------------------

    def stored_numbers(self) -> list[Number]:
        """Kid and number of every report that the city has, as often as it has it."""
        with self.city.database.read() as session:
            sealed = [parse_sealed(row) for row in session.scalars(select(ReportRow.sealed))]
        return [(message.kid, message.sequence) for message in sealed]

    def missing(self, post: LampPost) -> list[Number]:
        """Of the reports that a board has sealed, those that the city does not have."""
        return sorted(set(post.sealed.numbers).difference(self.stored_numbers()))

    def gaps_of(self, post: LampPost) -> int:
        """How many reports the city knows it will never get of a board."""
        with self.city.database.read() as session:
            node = select_node(session, name_of(post.number))
        return sum(gap.last - gap.first + 1 for gap in gaps(self.city.database, node))

    def check(self, *, final: bool) -> None:
        """Ask every invariant."""
        for invariant in self.invariants:
            self.violations += [f"{invariant.name}: {text}" for text in invariant.violations(self, final=final)]
        if self.violations and self.violated_us is None:
            self.violated_us = self.agenda.now_us

    def count(self, status: Status) -> int:
        """How many messages ended so at the collector."""
        return self.collector.collector.counts[status]

    def digests(self) -> dict[int, bytes]:
        """Of each board, by number: its wire, its rows, its flash."""
        return {
            post.number: self.wire.of(post.number)
            + rows_of(self.city.database, name_of(post.number))
            + hashlib.sha256(post.emulated.flash.image()).digest()
            for post in self.posts
        }


def _or_never(moment_us: int | None) -> int:
    return NEVER_US if moment_us is None else moment_us
