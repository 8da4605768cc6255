"""The shortest day of the year: what a panel gives and what a battery holds, in steps of a quarter of an hour.

Global irradiance under a clear sky by the sun's height: Haurwitz (1945), 1098 cos z exp(-0.057 / cos z) W/m2, on a
panel that lies flat; one that is tilted towards the sun gets more in winter. The weather's share the user says.
"""

import math
from dataclasses import dataclass
from typing import Final

STEP_H: Final = 0.25
STEPS: Final = int(24 / STEP_H)
TILT_DEG: Final = 23.44  # of the earth's axis
PERFORMANCE: Final = 0.75  # of a panel's rating: dirt, cables, charge controller
CONVERTER: Final = 0.85  # from the battery to 5 V


@dataclass(frozen=True)
class Site:
    """Where a node stands, and what it has. `sun`: the share of a clear sky that is left by the weather."""

    latitude_deg: float
    sun: float
    panel_w: float
    battery_wh: float


def sun_w(site: Site, hour: float) -> float:
    """What the panel gives at that hour of true solar time."""
    declination = math.radians(-math.copysign(TILT_DEG, site.latitude_deg))
    latitude, angle = math.radians(site.latitude_deg), math.radians(15 * (hour - 12))
    height = math.sin(latitude) * math.sin(declination)
    height += math.cos(latitude) * math.cos(declination) * math.cos(angle)
    if height <= 0:
        return 0.0
    return site.panel_w * 1.098 * height * math.exp(-0.057 / height) * site.sun * PERFORMANCE


@dataclass(frozen=True)
class Day:
    """A day from midnight: the battery at the start of each step, and after the last one."""

    site: Site
    load_w: float
    stored_wh: tuple[float, ...]

    @property
    def gained_wh(self) -> float:
        """What the panel gives in the day, whether or not it can be kept."""
        return sum(sun_w(self.site, (step + 0.5) * STEP_H) for step in range(STEPS)) * STEP_H

    @property
    def needed_wh(self) -> float:
        """What the battery gives in the day."""
        return self.load_w * 24 / CONVERTER

    @property
    def dark_days(self) -> float:
        """How long a full battery lasts without any sun."""
        return self.site.battery_wh / self.needed_wh

    @property
    def lasts_days(self) -> float:
        """How long a full battery lasts through such days, one after the other; infinite where the sun is enough."""
        missing = self.needed_wh - self.gained_wh
        return self.site.battery_wh / missing if missing > 0 else math.inf

    @property
    def panel_w(self) -> float:
        """The panel that would be enough here; infinite where the sun does not rise."""
        return self.site.panel_w * self.needed_wh / self.gained_wh if self.gained_wh else math.inf


def live(site: Site, load_w: float, start: float = 0.5) -> Day:
    """The day of a node that begins with its battery at `start` of its capacity."""
    stored = site.battery_wh * start
    held = [stored]
    for step in range(STEPS):
        stored += (sun_w(site, (step + 0.5) * STEP_H) - load_w / CONVERTER) * STEP_H
        stored = min(max(stored, 0.0), site.battery_wh)
        held.append(stored)
    return Day(site, load_w, tuple(held))
