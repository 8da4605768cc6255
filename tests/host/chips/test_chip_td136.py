"""The TD136 model: a second's pulse for each vehicle, whoever else comes meanwhile, on a contact that bounces."""

from collections.abc import Iterator

import pytest
from standing_world import NOW, standing

from hadeda.emulator.chips import load
from hadeda.emulator.chips.td136 import Td136
from hadeda.scenario import Passage, World

STEP_S = 0.001


def passing(at_s: float, kind: str = "car", direction: str = "approaching", kmh: float = 36.0) -> Passage:
    return Passage(NOW + at_s, kind, direction, kmh)


def changes(chip: Td136, until_s: float) -> Iterator[tuple[float, bool]]:
    """(seconds from NOW, whether the contact is open from then on), looked at every millisecond."""
    was = None
    for step in range(round(until_s / STEP_S)):
        opened = chip.level(NOW + step * STEP_S) is None
        if was is not None and opened != was:
            yield step * STEP_S, opened
        was = opened


def test_a_vehicle_opens_the_contact_for_a_second_after_60_ms() -> None:
    chip = load("td136")(standing(passing(2.0)), 1, bounce_s=0.0)
    (opens, is_open), (closes, is_closed) = changes(chip, 5)
    assert (is_open, is_closed) == (True, False)
    assert opens == pytest.approx(2.0 - 1.0 / 10 + 0.060, abs=0.002)  # it comes onto the loop a metre before, at 10 m/s
    assert closes - opens == pytest.approx(1.0, abs=0.002)


def test_it_is_never_driven_high() -> None:
    chip = Td136(standing(passing(1.0)), 1)
    assert {chip.level(NOW + step * 0.01) for step in range(300)} == {None, False}


def test_a_vehicle_during_another_s_pulse_makes_none_and_one_after_it_does() -> None:
    chip = Td136(standing(passing(1.0), passing(1.8, direction="receding"), passing(2.3)), 1, bounce_s=0.0)
    assert [opened for _at, opened in changes(chip, 5)] == [True, False, True, False]
    assert chip.begun == 2


def test_walkers_and_bicycles_are_not_enough_metal() -> None:
    chip = Td136(standing(passing(1.0, "pedestrian"), passing(2.0, "bike"), passing(3.0, "heavy")), 1, bounce_s=0.0)
    assert len(list(changes(chip, 6))) == 2


@pytest.mark.parametrize("bounce_s", [0.005, 0.04])
def test_both_edges_bounce_for_so_long_and_by_seed(bounce_s: float) -> None:
    world = standing(passing(1.0))
    seen = list(changes(Td136(world, 1, bounce_s=bounce_s), 4))
    assert seen == list(changes(Td136(world, 1, bounce_s=bounce_s), 4))
    assert seen != list(changes(Td136(world, 2, bounce_s=bounce_s), 4))
    for edge in (0.96, 1.96):
        assert sum(edge - STEP_S <= at < edge + bounce_s + STEP_S for at, _ in seen) > 0
    late_s = [min(abs(at - edge - bounce_s / 2) for edge in (0.96, 1.96)) for at, _ in seen]
    assert max(late_s) < bounce_s / 2 + 2 * STEP_S


def test_it_tells_of_each_pulse_when_it_begins() -> None:
    told: list[tuple[float, str]] = []
    chip = Td136(standing(passing(1.0), passing(70.0, "heavy")), 1)
    chip.on_event = lambda at, text: told.append((round(at - NOW, 2), text))
    for step in range(800):
        chip.level(NOW + step * 0.1)
        assert all(at <= step * 0.1 for at, _ in told)
    assert told == [(0.96, "car on the loop"), (69.96, "heavy on the loop")]


def test_a_busy_hour_on_one_loop_across_both_lanes_is_told_within_a_sixth_and_never_above() -> None:
    world = World(seed=1)
    start = world.start_s + 17 * 3600
    chip = Td136(world, 1)
    for step in range(3600 * 20):
        chip.level(start + step / 20)
    truth = sum(passage.kind in ("car", "heavy") for passage in world.passages(start, start + 3600))
    assert truth > 500
    assert 5 / 6 * truth <= chip.begun < truth
