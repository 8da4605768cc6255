"""One row of the bench table: a figure, the peer that did the same work, the target, and how it was measured."""

from dataclasses import dataclass
from typing import Final

STATED: Final = "stated"


@dataclass(frozen=True)
class Target:
    """What a value is held to: `bound` at the most, at the least, or to be stayed below."""

    relation: str  # one of RELATIONS
    bound: float

    def holds(self, value: float) -> bool:
        """Whether the value keeps to it."""
        return RELATIONS[self.relation](value, self.bound)

    def missed_by(self, value: float) -> float:
        """How many times too large, or too small, a value is that does not keep to it."""
        larger, smaller = (self.bound, value) if self.relation == ">=" else (value, self.bound)
        return larger / smaller if smaller else float("inf")

    def __str__(self) -> str:
        return f"{self.relation} {self.bound:g}" if self.bound < 1e6 else f"{self.relation} {self.bound:.0f}"


RELATIONS: Final = {
    "<=": lambda value, bound: bool(value <= bound),
    ">=": lambda value, bound: bool(value >= bound),
    "<": lambda value, bound: bool(value < bound),
}


@dataclass(frozen=True)
class Row:
    """`value` in `unit`, None where it could not be had: then `how` says why. Without a target, it is only stated.

    `peer_value` is in the same unit; `peer` names who that is, and `how` has its exact configuration.
    """

    name: str
    value: float | None
    unit: str
    how: str
    target: Target | None = None
    peer: str | None = None
    peer_value: float | None = None

    @property
    def met(self) -> bool:
        """Whether the value is there and keeps to the target."""
        if self.value is None:
            return False
        return self.target is None or self.target.holds(self.value)

    def answer(self) -> dict[str, object]:
        """The row as `hadeda bench --json` has it. Where the target is missed, `how` begins with by how much."""
        missed = ""
        if self.value is not None and self.target is not None and not self.met:
            missed = f"missed by a factor of {self.target.missed_by(self.value):.3g}. "
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "peer": self.peer,
            "peer_value": self.peer_value,
            "target": str(self.target) if self.target else STATED,
            "met": self.met,
            "how": missed + self.how,
        }
