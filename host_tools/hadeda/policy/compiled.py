"""What a node takes: a policy and a floor as deterministic CBOR, integer keys and integers only, and back.

    policy = { 1: city, 2: version, 3: window_s, 4: [channel], 5: {1: [class], 2: [direction], 3: [edge_kmh]}, 6: k,
               7: epsilon_release, 8: epsilon_day, 9: name, ? 10: {1: k, 2: epsilon_release}, ? 11: [source] }
    floor  = { 1: min_window_s, 2: min_k, 3: max_epsilon_release, 4: max_epsilon_day, 5: [channel], 6: [source],
               7: version, ? 8: {1: min_window_s, 2: min_step_wh} }

`city` is the thumbprint of the city's policy key (32 bytes): what is for another city does not fit. Epsilons are
micro-units. Purpose, legal basis, retention and contact are the city's promise to people and stay out: a node could
not keep them. Key 11 names the sources beside what tells vehicles alone (1: footfall, 2: vision, 3: presence) and is
absent where there are none.
A floor without key 8 has no energy told.
"""

from decimal import Decimal
from typing import Annotated, Any, Final, Self

from pydantic import Field, ValidationError, model_validator

from hadeda.board.schema import Name, Strict
from hadeda.envelope import labels, strict_cbor
from hadeda.errors import PolicyError, Rejected
from hadeda.policy.schema import (
    CHANNEL_IDS,
    SOURCE_IDS,
    Edges,
    Floor,
    K,
    MicroDay,
    MicroRelease,
    Policy,
    Version,
    WindowSeconds,
    Words,
)

CITY_ID_SIZE: Final = 32
_FIELDS: Final = {
    1: "city",
    2: "version",
    3: "window_s",
    4: "channels",
    5: "cells",
    6: "k",
    7: "epsilon_release",
    8: "epsilon_day",
    9: "name",
    10: "footfall",
    11: "sources",
}
_CELLS: Final = {1: "classes", 2: "directions", 3: "speed_bands_kmh"}
_FLOOR_ENERGY: Final = {1: "min_seconds", 2: "min_step_wh"}
_FOOTFALL: Final = {1: "k", 2: "epsilon_release"}


class Cells(Strict):
    """Classes and directions by name, inner edges of the speed bands in km/h."""

    classes: Words = Field(min_length=1, max_length=8, strict=False)
    directions: Words = Field(min_length=1, max_length=4, strict=False)
    speed_bands_kmh: Edges = Field(max_length=15, strict=False)


class CompiledFootfall(Strict):
    """Threshold and micro-units of epsilon of the one footfall number."""

    k: K
    epsilon_release: MicroRelease


class Compiled(Strict):
    """The part of a policy that a node enforces; field by field the CBOR map."""

    city: Annotated[bytes, Field(min_length=CITY_ID_SIZE, max_length=CITY_ID_SIZE)]
    version: Version
    window_s: WindowSeconds
    channels: tuple[Annotated[int, Field(ge=1, le=255)], ...] = Field(strict=False)
    cells: Cells
    k: K
    epsilon_release: MicroRelease
    epsilon_day: MicroDay
    name: Name
    footfall: CompiledFootfall | None = None
    sources: tuple[Annotated[int, Field(ge=1, le=255)], ...] = Field(default=(), strict=False)

    @classmethod
    def of(cls, policy: Policy, city: bytes) -> Self:
        """The policy for the city whose policy key has the thumbprint `city`; raises PolicyError for another size."""
        if len(city) != CITY_ID_SIZE:
            raise PolicyError(f"a city is named by {CITY_ID_SIZE} bytes, its policy key's thumbprint")
        traffic, footfall = policy.traffic, policy.footfall
        return cls(
            city=city,
            version=policy.version,
            window_s=policy.window_s,
            channels=tuple(sorted(CHANNEL_IDS[name] for name in policy.channels)),
            cells=Cells(
                classes=traffic.classes, directions=traffic.directions, speed_bands_kmh=traffic.speed_bands_kmh
            ),
            k=traffic.k,
            epsilon_release=traffic.epsilon_release,
            epsilon_day=traffic.epsilon_day,
            name=policy.name,
            footfall=CompiledFootfall(k=footfall.k, epsilon_release=footfall.epsilon_release) if footfall else None,
            sources=tuple(sorted(SOURCE_IDS[name] for name in policy.sources)),
        )

    def encode(self) -> bytes:
        """The CBOR map."""
        content: dict[int, Any] = {
            number: _plain(getattr(self, name)) for number, name in _FIELDS.items() if number not in (5, 10, 11)
        }
        content[5] = {number: list(getattr(self.cells, name)) for number, name in _CELLS.items()}
        if self.footfall is not None:
            content[10] = {number: getattr(self.footfall, name) for number, name in _FOOTFALL.items()}
        if self.sources:
            content[11] = list(self.sources)
        return strict_cbor.encode(content)

    @model_validator(mode="after")
    def _footfall_is_a_source(self) -> Self:
        if (self.footfall is None) == (SOURCE_IDS["footfall"] in self.sources):
            raise ValueError("footfall has its numbers and is a source, or neither")
        return self

    @property
    def epsilon_window(self) -> int:
        """Micro-units that one window costs at most."""
        return self.epsilon_release + (self.footfall.epsilon_release if self.footfall else 0)

    @property
    def channel_names(self) -> tuple[str, ...]:
        """The channels by name; one this table does not know by its number."""
        return tuple(labels.CHANNELS[n][0] if n in labels.CHANNELS else str(n) for n in self.channels)


def compile_policy(policy: Policy, city: bytes) -> bytes:
    """The policy's CBOR for the city with the policy-key thumbprint `city` (32 bytes)."""
    return Compiled.of(policy, city).encode()


def decompile(data: bytes) -> Compiled:
    """Read a compiled policy; raises PolicyError unless it is exactly one, in its one encoding."""
    try:
        content = _named(strict_cbor.decode(data), _FIELDS)
        content["cells"] = _named(content.get("cells"), _CELLS)
        if "footfall" in content:
            content["footfall"] = _named(content["footfall"], _FOOTFALL)
        found = Compiled.model_validate(content)
    except Rejected as refusal:
        raise PolicyError(f"not a compiled policy ({refusal.reason})", "sign the policy's TOML file again") from refusal
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        at = ".".join(str(step) for step in first["loc"])
        raise PolicyError(f"not a compiled policy ({at}: {first['msg']})", "sign the TOML file again") from error
    if found.encode() != data:
        raise PolicyError("not a compiled policy (its lists are not in order)", "sign the policy's TOML file again")
    return found


def compile_floor(floor: Floor) -> bytes:
    """The floor's CBOR."""
    return strict_cbor.encode(floor_map(floor))


def floor_map(floor: Floor) -> dict[int, Any]:
    """The floor as the map that provisioning gives a node."""
    found: dict[int, Any] = {
        1: floor.window.min_seconds,
        2: floor.counts.min_k,
        3: floor.counts.max_epsilon_release,
        4: floor.counts.max_epsilon_day,
        5: sorted(CHANNEL_IDS[name] for name in floor.never.channels),
        6: sorted(SOURCE_IDS[name] for name in floor.never.sources),
        7: floor.version,
    }
    if floor.energy is not None:
        found[8] = {1: floor.energy.min_seconds, 2: floor.energy.min_step_wh}
    return found


def decompile_floor(data: bytes) -> Floor:
    """Read a floor's CBOR; raises PolicyError unless it is exactly one, in its one encoding."""
    try:
        content = strict_cbor.decode(data)
        if not isinstance(content, dict) or set(content) - {8} != set(range(1, 8)):
            raise Rejected("a map without its keys, or no map")
        energy = {} if 8 not in content else {"energy": _named(content[8], _FLOOR_ENERGY)}
        found = Floor.model_validate(
            {
                "version": content[7],
                "window": {"min_seconds": content[1]},
                "counts": {
                    "min_k": content[2],
                    "max_epsilon_per_release": _decimal(content[3]),
                    "max_epsilon_per_day": _decimal(content[4]),
                },
                "never": {
                    "channels": _names(content[5], CHANNEL_IDS),
                    "sources": _names(content[6], SOURCE_IDS),
                },
                **energy,
            }
        )
    except (Rejected, ValidationError) as error:
        raise PolicyError("not a compiled floor", "compile the floor's TOML file again") from error
    if compile_floor(found) != data:
        raise PolicyError("not a compiled floor (its lists are not in order)", "compile the floor's TOML file again")
    return found


def _decimal(micro: object) -> Decimal:
    """As a file would say it."""
    if not isinstance(micro, int):
        raise Rejected("an epsilon is no number")
    return Decimal(micro).scaleb(-6)


def _names(numbers: object, ids: dict[str, int]) -> list[str]:
    names = {number: name for name, number in ids.items()}
    if not isinstance(numbers, list) or not all(isinstance(number, int) and number in names for number in numbers):
        raise Rejected("a list of numbers that this version does not know, or no list")
    return [names[number] for number in numbers]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _named(content: object, names: dict[int, str]) -> dict[str, Any]:
    """A map with integer keys as one with names; raises Rejected for anything else."""
    if not isinstance(content, dict) or not set(content) <= set(names):
        raise Rejected("a map with keys this version does not know, or no map")
    return {names[key]: value for key, value in content.items()}
