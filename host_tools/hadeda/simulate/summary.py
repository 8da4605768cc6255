"""What a run came to: figures, violations, the trace before the first one, and how to play it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from hadeda.collect.collector import Status
from hadeda.simulate.digest import digest, refused
from hadeda.simulate.invariants.numbers_once import NumbersOnce
from hadeda.simulate.street import Street, Wanted
from hadeda.simulate.trace import Event

DAY_US: Final = 86_400_000_000
# Figures that are added up over the parts of a street
SUMS: Final = (
    "windows_expected",
    "stored",
    "gaps",
    "open_at_power_cut",
    "duplicates",
    "nonce_reuse",
    "sealed",
    "replayed",
    "rejected",
    "resets",
    "wire_bytes",
    "cpu_s",
)


@dataclass
class Part:
    """What a street of some of the boards came to; what crosses from its process to the one that adds them up."""

    figures: dict[str, float]
    violations: list[str]
    trace: list[Event]
    digests: dict[int, bytes]
    quarantine: list[bytes]


@dataclass
class Summary:
    """Figures by name, as `--json` prints them."""

    figures: dict[str, Any]
    violations: list[str]
    trace: list[str]


def account(street: Street, cpu_s: float) -> Part:
    """The account of a street that has run."""
    stored = street.stored_numbers()
    opened = sum(post.windows.opened for post in street.posts)
    sealed = sum(len(post.sealed.numbers) for post in street.posts)
    figures: dict[str, float] = {
        "windows_expected": opened,
        "stored": len(set(stored)),
        "gaps": sum(min(len(street.missing(post)), street.gaps_of(post)) for post in street.posts),
        "open_at_power_cut": opened - sealed,
        "duplicates": len(stored) - len(set(stored)),
        "nonce_reuse": sum(invariant.reused for invariant in street.invariants if isinstance(invariant, NumbersOnce)),
        "sealed": sealed,
        "replayed": street.count(Status.REPLAYED),
        "rejected": street.count(Status.REJECTED),
        "resets": sum(len(post.emulated.resets) for post in street.posts),
        "wire_bytes": street.wire.bytes.total(),
        "cpu_s": cpu_s,
    }
    trace = [] if street.violated_us is None else street.trace.before(street.violated_us)
    return Part(figures, street.violations, trace, street.digests(), refused(street.city.database))


def summary(wanted: Wanted, parts: Sequence[Part], wall_s: float) -> Summary:
    """All parts of one simulation."""
    figures: dict[str, Any] = {name: sum(part.figures[name] for part in parts) for name in SUMS}
    violations = [text for part in parts for text in part.violations]
    boards: dict[int, bytes] = {}
    for part in parts:
        boards |= part.digests
    figures |= {
        "violations": violations,
        "digest": digest(boards, [row for part in parts for row in part.quarantine]),
        "boards": wanted.boards,
        "days": wanted.length_us / DAY_US,
        "seed": wanted.seed,
        "faults": wanted.profile,
        "board_days_per_cpu_s": round(wanted.boards * wanted.length_us / DAY_US / max(figures["cpu_s"], 1e-9), 5),
        "cpu_s": round(figures["cpu_s"], 1),
        "wall_s": round(wall_s, 1),
    }
    events = sorted((event for part in parts for event in part.trace), key=lambda event: event.at_us)
    return Summary(figures, violations, [str(event) for event in events])


def replay_command(wanted: Wanted, scenario: str) -> str:
    """The line that plays a run again."""
    return (
        f"hadeda simulate {scenario} --boards {wanted.boards} --days {wanted.length_us / DAY_US:g} "
        f"--seed {wanted.seed} --faults {wanted.profile} --board {wanted.board.name}"
    )
