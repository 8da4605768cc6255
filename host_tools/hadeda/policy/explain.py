"""A policy in plain words, for somebody who is no engineer, and one day of a street as the city would see it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from hadeda.policy import noise
from hadeda.policy.lint import outlook
from hadeda.policy.noise import Counts, Mask
from hadeda.policy.schema import DAY_S, Policy, decimal_text
from hadeda.policy.street import Street, cells_of
from hadeda.policy.utility import released

BELOW_K: Final = -1  # as in a report
NO_BUDGET: Final = -2
WITHHELD: Final = {BELOW_K: "withheld", NO_BUDGET: "no budget"}
TABLE_HOURS: Final = (6, 8, 12, 16, 18, 20)

CHANNEL_WORDS: Final = {
    "temperature": "temperature",
    "relative_humidity": "humidity",
    "pressure": "air pressure",
    "pm1_0": "very fine dust (PM1.0)",
    "pm2_5": "fine dust (PM2.5)",
    "pm10": "dust (PM10)",
    "co2": "carbon dioxide (CO2)",
    "tvoc": "vapours of organic compounds (TVOC)",
    "voc_raw": "the raw signal of a vapour sensor (VOC), which is no concentration",
    "energy": "the energy of one circuit",
    "nox_raw": "the raw signal of a nitrogen oxide sensor (NOx), which is no concentration",
}
NEVER: Final = (
    "a picture, a sound, a number plate, a face, the address of a phone",
    "a single passage, or the moment at which it happened",
    "how fast one vehicle was, or that the same one came back",
    "the true counts: noise is added on the node, once, and the node forgets what it counted",
)


@dataclass(frozen=True)
class Day:
    """One day of the street: true and released counts, shape (windows, cells); negative: why it is withheld.

    `known`, shape (windows,): whether the street file has data; elsewhere nobody passes because nobody counted.
    """

    date: str
    window_s: int
    cells: tuple[str, ...]
    true: Counts
    released: Counts
    known: Mask

    def clock(self, window: int) -> str:
        """When a window begins."""
        minutes = window * self.window_s // 60
        return f"{minutes // 60:02d}:{minutes % 60:02d}"

    def hours(self) -> list[int]:
        """The windows that fit a table."""
        return sorted({hour * 3600 // self.window_s for hour in TABLE_HOURS})

    def rows(self) -> list[list[str]]:
        """A row for each cell: its name, then "true -> released" in the windows of `hours`."""
        return [
            [name, *(f"{self.true[window, place]} -> {self._said(window, place)}" for window in self.hours())]
            for place, name in enumerate(self.cells)
        ]

    def _said(self, window: int, place: int) -> str:
        out = int(self.released[window, place])
        return WITHHELD.get(out, str(out))


def day_of(policy: Policy, street: Street, seed: int) -> Day:
    """The street's day with the most passages, as this policy releases it; the budget begins with the day."""
    per_day = street.per_day
    days = street.counts.reshape(-1, per_day, len(street.cells))
    best = int(days.sum(axis=(1, 2)).argmax())
    out = released(street, policy.traffic.k, policy.traffic.epsilon_release, np.random.default_rng(seed))
    shown = out.reshape(days.shape)[best].copy()
    shown[policy.windows_paid :] = NO_BUDGET
    date = datetime.fromtimestamp(street.start_s + best * DAY_S, UTC).strftime("%A, %d %B %Y")
    return Day(
        date, street.window_s, tuple(map(str, street.cells)), days[best], shown, street.known.reshape(-1, per_day)[best]
    )


def duration(seconds: int) -> str:
    """A window in words."""
    for unit, name in ((3600, "hour"), (60, "minute")):
        if seconds % unit == 0:
            number = seconds // unit
            return f"{number} {name}{'' if number == 1 else 's'}"
    return f"{seconds} seconds"


def every(seconds: int) -> str:
    """How often, in words."""
    return f"every {duration(seconds).removeprefix('1 ')}"


def leaves(policy: Policy) -> list[str]:
    """What a report may hold."""
    traffic = policy.traffic
    cells = cells_of(policy)
    bands = ", ".join(dict.fromkeys(cell.speed for cell in cells)) if traffic.speed_bands_kmh else "at any speed"
    found = [
        f"{every(policy.window_s)}, how many passed, in {len(cells)} numbers, each with noise: by class "
        f"({', '.join(traffic.classes)}), by direction ({', '.join(traffic.directions)}), by speed ({bands})",
        f"no such number when it is below {traffic.k} after noise: then only that it was below",
    ]
    if policy.presence is not None:
        found.append(
            "among those who passed, whoever made a plain detector respond: it cannot tell somebody on foot from a "
            "cyclist, a vehicle or a dog, and neither can the number"
        )
    if policy.air.channels:
        names = ", ".join(CHANNEL_WORDS.get(name, name) for name in policy.air.channels)
        found.append(f"the air: {names}; number of readings, mean, lowest and highest of the window, without noise")
    if policy.energy is not None:
        found.append(
            f"{every(policy.window_s)}, the energy that one metered circuit used: one number in whole steps, as coarse "
            "as the node's floor wants it, without noise; no power, and no lowest or highest. Who knows what hangs on "
            "that circuit can read from it whether it was used in that time"
        )
    if policy.footfall:
        found.append(
            "about how many different Bluetooth addresses the radio heard, as one number with noise. These are not "
            "people: a phone changes its address about every 15 minutes, so one device may count twice in a window and "
            "again in the next; somebody may carry several devices, or none"
        )
    found.append(
        "the node's own health: its clock, its memory, sensors that failed; the policy it counted under, and how much "
        "of the day's privacy budget (epsilon) is spent"
    )
    return found


def exactness(policy: Policy) -> list[str]:
    """How close a released number is to the truth."""
    traffic = policy.traffic
    far = noise.interval(traffic.epsilon_release)
    found = [
        f"The noise is the same for every count, large or small: 95 times in 100 it is at most {far}. A true count of "
        f"20 is then reported as something from {max(0, 20 - far)} to {20 + far}.",
        f"Counts near {traffic.k} are reported only when they come out at {traffic.k} or more, so the small ones that "
        "are reported tend to be too high.",
        "Sums over a day or a week are closer to the truth than single counts: noise averages out. What is not told "
        "does not: hadeda policy utility measures both on a real month.",
    ]
    paid, windows = policy.windows_paid, policy.windows_per_day
    if paid < windows:
        found.append(
            f"The day's budget pays for {paid} of {windows} windows; in the other {windows - paid} nothing is said."
        )
    if policy.footfall:
        found.append(
            f"Footfall's noise is at most {noise.interval(policy.footfall.epsilon_release)} bits in 95 of 100 windows; "
            "where few devices are about, a bit is a device. The number of addresses is an estimate, within some "
            "percent; how many people that are, nobody can tell from it."
        )
    return found


def revelation(policy: Policy) -> list[str]:
    """What a citizen's passage can reveal at most, in odds."""
    once = policy.traffic.epsilon_release
    found = [
        "Suppose somebody wants to know whether you passed in a certain window, and knows about everybody else there. "
        f"For one passage (epsilon = {decimal_text(once)}), {_shift(once)}.",
        f"There and back again is two passages: {_shift(2 * once)}.",
        f"Ten passages on one day, with all of their windows known: {_shift(10 * once)}.",
    ]
    if policy.footfall:
        heard = policy.footfall.epsilon_release
        found.append(
            f"An address of a device you carry, heard in one window: {_shift(heard)}. A device that changes it in the "
            f"window, as phones do about every 15 minutes, has two: {_shift(2 * heard)}. Who passes and is heard in "
            f"one window adds both: {_shift(once + heard)}."
        )
    found.append(
        f"Each further passage adds {decimal_text(once)} to epsilon. The ledger on the node tells no more counts once "
        f"a day has cost {decimal_text(policy.traffic.epsilon_day)}, whatever the city asks for. Who passes every day "
        "adds up from day to day: noise hides a passage, not a habit."
    )
    return found


def _shift(epsilon_micro: int) -> str:
    factor = noise.odds_factor(epsilon_micro)
    if factor > 1000:
        return "the report can shift the odds so far that it protects nobody"
    times = f"{factor:.2f}" if factor < 10 else f"{factor:.0f}"
    most = noise.sure_after(epsilon_micro)
    return (
        f"the report can shift the odds at most {times} times: an even guess, 50 in 100, becomes at most "
        f"{100 * most:.0f} in 100 and at least {100 * (1 - most):.0f} in 100"
    )


def explanation(policy: Policy, street: Street, day: Day) -> dict[str, Any]:
    """All of it as data, for JSON and for drawing."""
    return {
        "policy": policy.name,
        "version": policy.version,
        "city": policy.city,
        "purpose": " ".join(policy.purpose.text.split()),
        "legal_basis": " ".join(policy.purpose.legal_basis.split()),
        "contact": policy.contact.model_dump(exclude_none=True),
        "retention_days": policy.retention.days,
        "window_s": policy.window_s,
        "leaves": leaves(policy),
        "never_leaves": list(NEVER),
        "exactness": exactness(policy),
        "revealed_at_most": revelation(policy),
        "noise_95": noise.interval(policy.traffic.epsilon_release),
        "odds_factor": round(noise.odds_factor(policy.traffic.epsilon_release), 4),
        "cells": [row.as_data() for row in outlook(policy, street)],
        "day": {
            "date": day.date,
            "cells": list(day.cells),
            "true": day.true.tolist(),
            "released": day.released.tolist(),
        },
        "sampler": "numpy: the difference of two geometric numbers, discrete Laplace in double precision",
    }
