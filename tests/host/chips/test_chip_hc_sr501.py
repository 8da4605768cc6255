"""The HC-SR501 model: three seconds high for whoever is near, blind after it, anything while it warms up."""

import pytest
from standing_world import NOW, standing

from hadeda.emulator.chips import load
from hadeda.emulator.chips.hc_sr501 import BLIND_S, PULSE_S, WARM_UP_S, HcSr501, in_reach
from hadeda.scenario import Passage, World

WARM_S = 100.0


def passing(at_s: float, kind: str = "pedestrian", direction: str = "approaching") -> Passage:
    return Passage(NOW + at_s, kind, direction, 5.0)


def pulses(chip: HcSr501, until_s: float, step_s: float = 0.05) -> list[tuple[float, float]]:
    """(begin, length) in seconds of each time it is high."""
    found, since = [], None
    for step in range(round(until_s / step_s)):
        high = chip.level(NOW + step * step_s)
        assert high is not None, "it holds its output"
        if high and since is None:
            since = step * step_s
        elif not high and since is not None:
            found.append((since, step * step_s - since))
            since = None
    return found


def warm(chip: HcSr501, until_s: float) -> list[tuple[float, float]]:
    return [(at, length) for at, length in pulses(chip, until_s) if at > WARM_UP_S]


@pytest.mark.parametrize("kind", ["pedestrian", "bike", "car", "heavy"])
def test_whoever_is_near_makes_it_high_for_three_seconds(kind: str) -> None:
    ((at, length),) = warm(load("hc_sr501")(standing(passing(WARM_S, kind)), 1), 120)
    assert at == pytest.approx(WARM_S, abs=0.06)
    assert length == pytest.approx(PULSE_S, abs=0.06)


def test_the_far_pavement_is_out_of_reach() -> None:
    assert warm(HcSr501(standing(passing(WARM_S, direction="receding")), 1), 120) == []


def test_it_does_not_retrigger_and_is_blind_for_a_while() -> None:
    blind = PULSE_S + BLIND_S
    crowd = [passing(WARM_S + at) for at in (0, 1, 2.9, 4, 5.4, blind + 0.1)]
    found = warm(HcSr501(standing(*crowd), 1), 130)
    assert [round(at - WARM_S, 1) for at, _ in found] == pytest.approx([0.0, blind + 0.1], abs=0.06)
    assert all(length == pytest.approx(PULSE_S, abs=0.06) for _, length in found)


def test_in_its_first_minute_it_goes_high_up_to_three_times_for_nobody() -> None:
    counts = [len(pulses(HcSr501(standing(), seed), 70)) for seed in range(40)]
    assert set(counts) == {0, 1, 2, 3}
    assert all(at < WARM_UP_S for seed in range(40) for at, _ in pulses(HcSr501(standing(), seed), 70))


def test_what_it_loses_is_what_its_blind_time_takes() -> None:
    """N in an hour are seen as about N / (1 + N / 650): what the page says."""
    world = World(seed=1)
    for hour in (9, 17, 20):
        start = world.start_s + hour * 3600
        chip = HcSr501(world, 1)
        for step in range(3600 * 5):
            chip.level(start + step / 5)
        near = sum(map(in_reach, world.passages(start, start + 3600)))
        assert near > 50
        assert chip.begun == pytest.approx(near / (1 + near / 650), rel=0.12, abs=3), (hour, near)
