"""The world a node stands in: `World().air(t)` and `World().passages(t0, t1)`.

    world = World(seed=1)
    world.air(world.start_s + 7.5 * 3600).pm2_5_ugm3
    world.passages(world.start_s + 7 * 3600, world.start_s + 8 * 3600)

Time is float Unix seconds of **local street time read as if it were UTC**: no zone, no daylight saving, so that seven
in the morning is seven in the morning. The street file says when the world starts and ends. What is done with gaps,
and what is not in the data at all, is written in `air.py` and `traffic.py`.
"""

from functools import lru_cache
from pathlib import Path

from hadeda.scenario import table, traffic
from hadeda.scenario.air import Air, AirOfStreet
from hadeda.scenario.traffic import Passage

DATA = Path(__file__).parent / "data"


class World:
    """One street and its air. The same files and seed give the same world."""

    def __init__(self, street: Path | None = None, air: Path | None = None, seed: int = 0) -> None:
        """Plays the files named, else those shipped; raises ScenarioError with file and line."""
        self.seed = seed
        hours = traffic.read(street or DATA / "street-hourly.csv")
        self._hours = {hour.start_s: hour for hour in hours}
        self.start_s = float(hours[0].start_s)
        self.end_s = float(hours[-1].start_s + table.HOUR_S)
        every_hour = list(range(hours[0].start_s, hours[-1].start_s + 1, table.HOUR_S))
        self._air = AirOfStreet(air or DATA / "air-hourly.csv", every_hour)
        self._passages_of = lru_cache(maxsize=64)(self._hour_passages)

    def air(self, t: float) -> Air:
        """The air at t; before start_s and after end_s, the first and the last that is known."""
        return self._air.at(t)

    def passages(self, t0: float, t1: float) -> list[Passage]:
        """Who passes at t0 <= time < t1, in order of time; depends on seed and hour only, not on earlier questions."""
        found: list[Passage] = []
        for hour in range(table.hour_of(t0), table.hour_of(t1) + 1, table.HOUR_S):
            found += [passage for passage in self._passages_of(hour) if t0 <= passage.time_s < t1]
        return found

    def known(self, t: float) -> bool:
        """Whether the street file knows the hour of t. Where it does not, no passages means: nobody counted."""
        hour = self._hours.get(table.hour_of(t))
        return hour is not None and hour.uptime > 0

    def _hour_passages(self, hour: int) -> list[Passage]:
        return self._hours[hour].passages(self.seed) if hour in self._hours else []
