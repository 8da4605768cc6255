"""What must hold in every run, each in a module of its own; `all_of` makes them for a simulation."""

from typing import TYPE_CHECKING, Protocol

from hadeda.simulate.invariants.numbers_once import NumbersOnce
from hadeda.simulate.invariants.stored_once import StoredOnce

if TYPE_CHECKING:
    from hadeda.simulate.street import Street


class Invariant(Protocol):
    """Watches a street from before its first moment; says at the end, and in between, what is broken."""

    name: str

    def violations(self, street: "Street", *, final: bool) -> list[str]:
        """What does not hold; `final`: everything had time to arrive."""
        ...


def all_of(street: "Street") -> list[Invariant]:
    """Every invariant, watching `street` from now on."""
    return [NumbersOnce(street), StoredOnce()]
