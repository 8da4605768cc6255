"""What must hold in every run, each in a module of its own; `all_of` makes them for a simulation."""

from typing import TYPE_CHECKING, Protocol

from hadeda.simulate.invariants.flash_opaque import FlashOpaque
from hadeda.simulate.invariants.heap_steady import HeapSteady
from hadeda.simulate.invariants.ledger_kept import LedgerKept
from hadeda.simulate.invariants.numbers_once import NumbersOnce
from hadeda.simulate.invariants.orders_once import OrdersOnce
from hadeda.simulate.invariants.released_once import ReleasedOnce
from hadeda.simulate.invariants.reports_again import ReportsAgain
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
    return [
        StoredOnce(),
        NumbersOnce(street),
        ReleasedOnce(street),
        LedgerKept(street),
        OrdersOnce(),
        ReportsAgain(street),
        FlashOpaque(),
        HeapSteady(),
    ]
