"""Real boards through a network that fails in every way it can: what arrives arrives once, and what is lost is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulated_street import WINDOW_US, BuildStreet
from sqlalchemy import delete, select

from hadeda.collect.collector import Status
from hadeda.registry.reports import AirRow, FaultRow, HealthRow, ReportRow, TrafficRow
from hadeda.simulate.faults import Faults

if TYPE_CHECKING:
    from hadeda.simulate.street import Street


class Incidents(Faults):
    """Named moments, in order: (microseconds, what happens). A test's profile fills `plan`."""

    def __init__(self, seed: int, boards: int, length_us: int) -> None:
        super().__init__(seed, boards, length_us)
        self.parted = self.nameless = False
        self.plan: list[tuple[int, str]] = []

    def segment(self, board: int, at_us: int, up: bool) -> int | None:
        took_us = super().segment(board, at_us, up)
        return None if self.parted else took_us

    def resolves(self, board: int, at_us: int, host: str) -> bool:  # noqa: ARG002
        return not self.nameless

    def next_us(self) -> int | None:
        return self.plan[0][0] if self.plan else None

    def moment(self, street: Street) -> None:
        at_us, name = self.plan.pop(0)
        assert street.agenda.now_us == at_us, "the city's clock stands where its last message was"
        getattr(self, name)(street, at_us)

    def part(self, street: Street, at_us: int) -> None:  # noqa: ARG002
        self.parted = True

    def heal(self, street: Street, at_us: int) -> None:  # noqa: ARG002
        self.parted = False

    def forget_names(self, street: Street, at_us: int) -> None:  # noqa: ARG002
        self.nameless = True

    def know_names(self, street: Street, at_us: int) -> None:  # noqa: ARG002
        self.nameless = False

    def refuse(self, street: Street, at_us: int) -> None:  # noqa: ARG002
        street.broker.refusing = True
        street.broker.restart(keep=True, told=True)

    def admit(self, street: Street, at_us: int) -> None:  # noqa: ARG002
        street.broker.refusing = False

    def cut(self, street: Street, at_us: int) -> None:  # noqa: ARG002
        street.posts[0].power_off()

    def plug_in(self, street: Street, at_us: int) -> None:
        street.posts[0].power_on(at_us)

    def stop_collecting(self, street: Street, at_us: int) -> None:  # noqa: ARG002
        street.collector.stop()

    def lose_disk(self, street: Street, at_us: int) -> None:  # noqa: ARG002
        street.broker.restart(keep=False, told=False)

    def collect(self, street: Street, at_us: int) -> None:  # noqa: ARG002
        street.collector.start()


def said(street: Street) -> str:
    """The trace of events."""
    return "\n".join(map(str, street.trace.before(1 << 60, 2000)))


class BadHour(Incidents):
    """A name server that knows nothing, a broker that refuses, one that lost everything, a parted line, a power cut."""

    def __init__(self, seed: int, boards: int, length_us: int) -> None:
        super().__init__(seed, boards, length_us)
        self.plan = [
            (WINDOW_US - 10_000_000, "forget_names"),
            (WINDOW_US + 300_000_000, "know_names"),
            (2 * WINDOW_US - 10_000_000, "refuse"),
            (2 * WINDOW_US + 300_000_000, "admit"),
            (2 * WINDOW_US + 310_000_000, "lose_disk"),
            (3 * WINDOW_US - 10_000_000, "part"),
            (4 * WINDOW_US - 100_000_000, "cut"),
            (4 * WINDOW_US - 40_000_000, "plug_in"),
            (4 * WINDOW_US + 200_000_000, "heal"),
        ]


def test_nothing_is_lost_and_nothing_comes_twice_in_a_bad_hour(build_street: BuildStreet) -> None:
    street = build_street(BadHour, 5.5)
    street.run(lambda _: None)
    assert street.violations == [], said(street)
    post = street.posts[0]
    assert post.emulated.resets == [1, 1]
    assert post.windows.cuts == 2, "the cut, and the plug at the end"
    stored = street.stored_numbers()
    assert len(stored) == len(set(stored)) == len(post.sealed.numbers) == post.windows.opened - 2
    trace = said(street)
    assert "not sent" in trace, "the node has met the weather"


class LostDisk(Incidents):
    """The broker acknowledges a report, and then it and the report are gone, before the collector came for it."""

    def __init__(self, seed: int, boards: int, length_us: int) -> None:
        super().__init__(seed, boards, length_us)
        self.plan = [
            (WINDOW_US - 10_000_000, "stop_collecting"),
            (WINDOW_US + 300_000_000, "lose_disk"),
            (WINDOW_US + 310_000_000, "collect"),
        ]


def test_a_broker_that_loses_its_disk_with_an_acknowledged_report_loses_nothing(build_street: BuildStreet) -> None:
    street = build_street(LostDisk, 2.5)
    street.run(lambda _: None)
    assert street.violations == [], said(street)
    stored = street.stored_numbers()
    assert len(stored) == len(set(stored)) == len(street.posts[0].sealed.numbers)
    (late,) = [event for event in street.trace.before(1 << 60, 2000) if "stored board-0 1/0" in event.text]
    assert late.at_us > 8 * WINDOW_US, "the city's receipt was waited for, and then it was sent once more"


def test_a_report_that_is_missing_or_there_twice_is_seen(build_street: BuildStreet) -> None:
    street = build_street(Faults, 2.2)
    street.run(lambda _: None)
    assert street.violations == []
    assert street.count(Status.STORED) == 2
    with street.city.database.write() as session:
        first = session.scalars(select(ReportRow.id)).first()
        for table in (AirRow, TrafficRow, FaultRow, HealthRow):
            session.execute(delete(table).where(table.report == first))
        session.execute(delete(ReportRow).where(ReportRow.id == first))
    street.check(final=True)
    assert len(street.violations) == 1
    assert "1 sealed reports never arrived" in street.violations[0]
