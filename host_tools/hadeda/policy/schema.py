"""The shape of a policy and of a floor: tables, keys, types and ranges. Unknown keys are errors.

Epsilon is written as a decimal number and held as an integer of micro-units (0.5 is 500 000), which is what the node
counts its budget in. It is read from the digits in the file, never through a float.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from hadeda.board.problems import close_to
from hadeda.board.schema import Name, Strict, Word
from hadeda.envelope import labels
from hadeda.envelope.report import SPENT_UNKNOWN

DAY_S = 86_400
WINDOW_MIN_S = 60
MICRO = 1_000_000
EPSILON_RELEASE_MAX = 10 * MICRO  # e^10: no protection worth the name
EPSILON_DAY_MAX = 2000 * MICRO  # the report says what was spent in 31 bits
K_MAX = 65_535  # the node's accumulators end there, so a larger k would withhold everything
VERSION_MAX = (1 << 31) - 1
CELLS_MAX = 64
SPEED_MAX_KMH = 300
ENERGY_STEP_MAX_WH = 1_000_000
RETENTION_MAX_DAYS = 3650

CHANNEL_IDS = {name: number for number, (name, _unit, _scale) in labels.CHANNELS.items()}
ENERGY = labels.CHANNELS[labels.CHANNEL_ENERGY][0]
SOURCE_IDS = {
    "footfall": labels.SOURCE_FOOTFALL,
    "vision": labels.SOURCE_VISION,
    "presence": labels.SOURCE_PRESENCE,
}


def _refused(what: str) -> PydanticCustomError:
    """A validation error in our own words; braces in them are not a template."""
    return PydanticCustomError("policy", "{what}", {"what": what})


def micro_units(value: object) -> int:
    """A decimal number of the file as micro-units, exactly; raises a validation error for any other value."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _refused("should be a number such as 0.5, without quotes")
    exact = Decimal(value)
    written = f"{value}"[:24]
    if not exact.is_finite():
        raise _refused(f"should be a finite number, not {written}")
    if exact <= 0:
        raise _refused(f"should be more than 0, not {written}: no epsilon at all would mean endless noise")
    if exact > EPSILON_DAY_MAX // MICRO:
        raise _refused(f"should be at most {EPSILON_DAY_MAX // MICRO}, not {written}")
    if exact.adjusted() < -6 or len(exact.as_tuple().digits) > 60:
        raise _refused(f"should have at most 6 decimals, not {written}")
    above, below = exact.as_integer_ratio()
    micro, rest = divmod(above * MICRO, below)
    if rest:
        raise _refused(f"should have at most 6 decimals, not {written}")
    return micro


def decimal_text(micro: int) -> str:
    """Micro-units as the shortest decimal number: 500000 is "0.5"."""
    whole, rest = divmod(micro, MICRO)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")


def spent_text(micro: int) -> str:
    """What a node says it has spent in its ledger day, as a number, or that it has lost count."""
    return "unknown" if micro == SPENT_UNKNOWN else decimal_text(micro)


def _divides_the_day(seconds: int) -> int:
    if DAY_S % seconds:
        near = [s for s in range(WINDOW_MIN_S, DAY_S + 1) if DAY_S % s == 0]
        below = max((s for s in near if s < seconds), default=near[0])
        above = min(s for s in near if s > seconds)
        raise _refused(f"{seconds} does not divide the day's 86400 s, the nearest that do are {below} and {above}")
    return seconds


def _known_channels(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in CHANNEL_IDS:
            raise _refused(f"no channel {name!r}, {close_to(name, list(CHANNEL_IDS))}")
    return _different(names)


def _of_the_air(names: tuple[str, ...]) -> tuple[str, ...]:
    if ENERGY in names:
        raise _refused(f"{ENERGY!r} is not of the air: it has a table of its own, [{ENERGY}]")
    return names


def _different(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise _refused("should not name the same thing twice")
    return names


def _rising(edges: tuple[int, ...]) -> tuple[int, ...]:
    if list(edges) != sorted(set(edges)):
        raise _refused(f"should rise from edge to edge, not {_listed(edges)}")
    return edges


def _listed(items: Sequence[object]) -> str:
    return ", ".join(str(item) for item in items)


def _phone(text: str) -> str:
    if not re.fullmatch(r"\+?[0-9][0-9 ()/-]{4,30}", text):
        raise _refused(f"should be a number such as +27 21 400 1234, not {text[:40]!r}")
    return text


def _email(text: str) -> str:
    if len(text) > 254 or not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text):
        raise _refused(f"should be an address such as privacy@city.example, not {text[:40]!r}")
    return text


Prose = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
Phone = Annotated[str, AfterValidator(_phone)]
Email = Annotated[str, AfterValidator(_email)]
K = Annotated[int, Field(ge=1, le=K_MAX)]
WindowSeconds = Annotated[int, Field(ge=WINDOW_MIN_S, le=DAY_S), AfterValidator(_divides_the_day)]
MicroRelease = Annotated[int, Field(ge=1, le=EPSILON_RELEASE_MAX)]
MicroDay = Annotated[int, Field(ge=1, le=EPSILON_DAY_MAX)]
Version = Annotated[int, Field(ge=1, le=VERSION_MAX)]
Words = Annotated[tuple[Word, ...], AfterValidator(_different)]
Edge = Annotated[int, Field(ge=1, le=SPEED_MAX_KMH)]
Edges = Annotated[tuple[Edge, ...], AfterValidator(_rising)]
Channels = Annotated[tuple[str, ...], AfterValidator(_known_channels)]


def _release_range(micro: int) -> int:
    if micro > EPSILON_RELEASE_MAX:
        raise _refused(
            f"should be at most {EPSILON_RELEASE_MAX // MICRO}, not {decimal_text(micro)}: that hides nobody"
        )
    return micro


EpsilonRelease = Annotated[int, BeforeValidator(micro_units), AfterValidator(_release_range)]
EpsilonDay = Annotated[int, BeforeValidator(micro_units)]


class Purpose(Strict):
    """Why the city measures at all, and what allows it to: in words, for people."""

    text: Prose
    legal_basis: Prose


class Contact(Strict):
    """Whom a citizen can ask; at least one way to reach them."""

    name: Line
    email: Email | None = None
    phone: Phone | None = None

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.email is None and self.phone is None:
            raise _refused("needs an email or a phone")
        return self


class Retention(Strict):
    """How long the city keeps what it received."""

    days: Annotated[int, Field(ge=1, le=RETENTION_MAX_DAYS)]


class Window(Strict):
    """How much of a day goes into one report."""

    seconds: WindowSeconds


class Air(Strict):
    """The air channels that may be reported, by their names in the report."""

    channels: Annotated[Channels, AfterValidator(_of_the_air)] = Field(strict=False)


class Traffic(Strict):
    """What passages are counted as, and how the counts are protected. Epsilons are micro-units."""

    classes: Words = Field(min_length=1, max_length=8, strict=False)
    directions: Words = Field(min_length=1, max_length=4, strict=False)
    speed_bands_kmh: Edges = Field(max_length=15, strict=False)
    k: K
    epsilon_release: EpsilonRelease = Field(alias="epsilon_per_release")
    epsilon_day: EpsilonDay = Field(alias="epsilon_per_day")

    @property
    def cells(self) -> int:
        """How many numbers a report has for passages."""
        return len(self.classes) * len(self.directions) * (len(self.speed_bands_kmh) + 1)

    @model_validator(mode="after")
    def _fits_a_report(self) -> Self:
        if self.cells > CELLS_MAX:
            raise _refused(f"makes {self.cells} cells (classes x directions x speed bands), at most {CELLS_MAX}")
        return self


class Footfall(Strict):
    """Devices heard by radio, as one noised number. Absent: the radio is never listened to."""

    k: K
    epsilon_release: EpsilonRelease = Field(alias="epsilon_per_release")


class Vision(Strict):
    """Allows a camera module that gives boxes as a source of passages. The table has no keys: it is there or not."""


class Presence(Strict):
    """Allows a plain input that cannot tell who passes, people on foot among them. No keys: it is there or not."""


class Energy(Strict):
    """Allows the energy of the metered circuit, as coarse as the floor wants it. No keys: it is there or not."""


class Policy(Strict):
    """A policy as its TOML file says it."""

    name: Name
    version: Version
    city: Line
    purpose: Purpose
    contact: Contact
    retention: Retention
    window: Window
    air: Air
    traffic: Traffic
    footfall: Footfall | None = None
    vision: Vision | None = None
    presence: Presence | None = None
    energy: Energy | None = None

    @property
    def window_s(self) -> int:
        """The window in seconds."""
        return self.window.seconds

    @property
    def windows_per_day(self) -> int:
        """How many windows a day has."""
        return DAY_S // self.window.seconds

    @property
    def spent_per_window(self) -> int:
        """Micro-units of epsilon that one window costs."""
        return self.traffic.epsilon_release + (self.footfall.epsilon_release if self.footfall else 0)

    @property
    def windows_paid(self) -> int:
        """For how many windows of a day the day's epsilon is enough."""
        return min(self.windows_per_day, self.traffic.epsilon_day // self.spent_per_window)

    @property
    def channels(self) -> tuple[str, ...]:
        """What may be reported beside counts: the air's channels, and energy."""
        return (*self.air.channels, *((ENERGY,) if self.energy is not None else ()))

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources of SOURCE_IDS this policy turns on."""
        return tuple(name for name in SOURCE_IDS if getattr(self, name) is not None)


class FloorWindow(Strict):
    """No window may be shorter."""

    min_seconds: Annotated[int, Field(ge=WINDOW_MIN_S, le=DAY_S)]


class FloorCounts(Strict):
    """No k may be smaller and no epsilon larger, for passages and footfall alike. Epsilons are micro-units."""

    min_k: K
    max_epsilon_release: EpsilonRelease = Field(alias="max_epsilon_per_release")
    max_epsilon_day: EpsilonDay = Field(alias="max_epsilon_per_day")


class Never(Strict):
    """What no policy may turn on."""

    channels: Channels = Field(strict=False)
    sources: Annotated[tuple[Literal["footfall", "vision", "presence"], ...], AfterValidator(_different)] = Field(
        strict=False
    )


class FloorEnergy(Strict):
    """How coarse energy has to be, if it may be told at all: no window shorter, no step smaller."""

    min_seconds: Annotated[int, Field(ge=labels.ENERGY_WINDOW_MIN, le=DAY_S)]
    min_step_wh: Annotated[int, Field(ge=labels.ENERGY_STEP_MIN, le=ENERGY_STEP_MAX_WH)]


class Floor(Strict):
    """What a node is told at provisioning, over the cable, and then holds against its own city."""

    version: Version
    window: FloorWindow
    counts: FloorCounts
    never: Never
    energy: FloorEnergy | None = None
