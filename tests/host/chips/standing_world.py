"""A world that stands still unless a test moves it, for tests that must know what a chip feels."""

from dataclasses import dataclass, field, replace

from hadeda.scenario import Air, Passage

NOW = 1_654_072_200.0  # 1 June 2022, 8:30 on the street
MILD = Air(21.5, 45.0, 101325.0, 9.0, 12.0, 20.0, 440.0, 20.0, 15.0)


@dataclass
class StandingWorld:
    """The same air until `here` is replaced, and the passages given."""

    here: Air = MILD
    passing: list[Passage] = field(default_factory=list)

    def air(self, t: float) -> Air:  # noqa: ARG002
        return self.here

    def passages(self, t0: float, t1: float) -> list[Passage]:
        return [passage for passage in self.passing if t0 <= passage.time_s < t1]


def standing(*passing: Passage, **air: float) -> StandingWorld:
    """standing(temperature_c=30.0) or standing(Passage(...), Passage(...))."""
    return StandingWorld(replace(MILD, **air), sorted(passing, key=lambda passage: passage.time_s))
