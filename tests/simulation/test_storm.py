"""The storm itself: played again it is the same to the last byte, and what it once found stays found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulated_street import BOARD, BuildStreet

from hadeda.board import load
from hadeda.simulate.agenda import CITY
from hadeda.simulate.run import simulate
from hadeda.simulate.storm import HOUR_US, Storm
from hadeda.simulate.street import Wanted

if TYPE_CHECKING:
    from hadeda.simulate.faults import Faults


def figures_of(jobs: int) -> dict[str, Any]:
    wanted = Wanted(load(BOARD), 2, 2 * HOUR_US, 7, "storm")
    figures = simulate(wanted, lambda _: None, lambda _: None, jobs).figures
    return {name: value for name, value in figures.items() if not name.endswith("_s")}


def test_a_storm_is_its_seeds_on_however_many_cores() -> None:
    first, second = figures_of(1), figures_of(2)
    assert first["violations"] == []
    assert first["resets"] > 2, "no power failed: this test sees nothing"
    assert first["windows_expected"] == first["stored"] + first["gaps"] + first["open_at_power_cut"]
    assert first["duplicates"] == first["nonce_reuse"] == 0
    assert second == first


def test_a_storm_is_over_before_the_end_and_every_board_has_its_own() -> None:
    length_us = 48 * HOUR_US
    storm, other, alone = Storm(7, 8, length_us), Storm(8, 8, length_us), Storm(7, 1, length_us)
    plan = [(incident.at_us, incident.who) for incident in storm._plan]
    assert max(at_us for at_us, _ in plan) <= storm.end_us < length_us
    assert {who for _, who in plan} == {CITY, *range(8)}
    assert sorted(pair for pair in plan if pair[1] <= 0) == sorted((i.at_us, i.who) for i in alone._plan)
    assert sorted(plan) != sorted((i.at_us, i.who) for i in other._plan)


def of_seed(seed: int) -> Any:
    def build(_seed: int, boards: int, length_us: int) -> Faults:
        return Storm(seed, boards, length_us)

    return build


def test_a_letter_from_before_a_power_cut_does_not_set_the_clock_back(build_street: BuildStreet) -> None:
    """Seed 2: the node sent an old report again, and took the letter that had heard it long ago for the answer."""
    street = build_street(of_seed(2), 6)
    street.run(lambda _: None)
    assert street.violations == []
    said = [event.text for event in street.trace.before(1 << 60, 2000)]
    assert "power off" in said
    assert not any("the city set the clock" in text for text in said)


def test_what_a_clock_ahead_has_reported_is_no_window_again_after_a_power_cut() -> None:
    """Seed 46: the time server was 90 s ahead, and right after the cut. The node went on where it had reported to, and
    who counts its windows counted one more."""
    figures = simulate(Wanted(load(BOARD), 2, 6 * HOUR_US, 46, "storm"), lambda _: None, lambda _: None).figures
    assert figures["violations"] == []
    assert figures["windows_expected"] == figures["stored"] + figures["gaps"] + figures["open_at_power_cut"]
