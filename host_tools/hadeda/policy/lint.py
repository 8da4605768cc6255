"""What is wrong with a well-formed policy: contradictions, values below the floor, cells the street cannot fill.

Errors keep a policy from being signed. Warnings say, in numbers, what it will not deliver.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hadeda.policy.compiled import CITY_ID_SIZE, Compiled
from hadeda.policy.files import Read
from hadeda.policy.floors import breaches
from hadeda.policy.problems import Finding
from hadeda.policy.schema import Floor, Policy, decimal_text

if TYPE_CHECKING:
    from hadeda.policy.street import Cell, Street

RELEASED_MIN = 0.5  # of its windows; a cell below is more hole than number
GENEROUS = 2_000_000
SOURCE_WORDS = {"vision": "a camera", "presence": "a presence input"}
COARSER = (2, 3, 4, 6, 8, 12, 16, 24, 48, 96)


def lint(policy: Read[Policy], floor: Read[Floor] | None = None, street: "Street | None" = None) -> list[Finding]:
    """Everything to say about the policy, errors first, then by line; each part that is given is looked at."""
    found = contradictions(policy)
    if floor is not None:
        found += below_floor(policy, floor.model)
    found += budget(policy)
    if street is not None:
        found += too_fine(policy, street)
    return sorted(found, key=lambda finding: (finding.severity != "error", finding.line or 0))


def contradictions(policy: Read[Policy]) -> list[Finding]:
    """What cannot all be meant at once."""
    from hadeda.board.road_users import clashes
    from hadeda.policy.street import ONLY_BY

    traffic = policy.model.traffic
    found = [
        policy.finding(
            "traffic",
            "classes",
            f"{one!r} and {other!r} share passages, and every passage belongs to exactly one cell",
            "keep the finer classes or the coarse one",
        )
        for one, other in clashes(traffic.classes)
    ]
    for source, classes in ONLY_BY.items():
        seen = [name for name in traffic.classes if name in classes]
        if seen and source not in policy.model.sources:
            what = f"only {SOURCE_WORDS[source]} counts {', '.join(map(repr, seen))}"
            what += f", and the policy has no table [{source}]"
            found.append(policy.finding("traffic", "classes", what, "add it, or count vehicles"))
    if policy.model.windows_paid == 0:
        spent, day = decimal_text(policy.model.spent_per_window), decimal_text(traffic.epsilon_day)
        found.append(
            policy.finding(
                "traffic",
                "epsilon_per_day",
                f"a single window costs {spent}, so a day's {day} never pays for a count",
                f"make it at least {spent}",
            )
        )
    return found


def below_floor(policy: Read[Policy], floor: Floor) -> list[Finding]:
    """Every value that a node with this floor refuses."""
    compiled = Compiled.of(policy.model, bytes(CITY_ID_SIZE))
    return [
        policy.finding(breach.table, breach.key, f"{breach.what}; a node refuses it whoever signed it", breach.todo)
        for breach in breaches(compiled, floor)
    ]


def budget(policy: Read[Policy]) -> list[Finding]:
    """Where the day's epsilon, k and epsilon do not do what somebody may expect of them."""
    model, traffic = policy.model, policy.model.traffic
    found: list[Finding] = []

    def warn(table: str, key: str, what: str, todo: str) -> None:
        found.append(policy.finding(table, key, what, todo, severity="warning"))

    windows, paid = model.windows_per_day, model.windows_paid
    need, day = windows * model.spent_per_window, decimal_text(traffic.epsilon_day)
    if 0 < paid < windows:
        what = (
            f"{day} pays for {paid} of a day's {windows} windows at {decimal_text(model.spent_per_window)} each: "
            f"{windows - paid} windows of every day are withheld"
        )
        warn("traffic", "epsilon_per_day", what, f"{decimal_text(need)} pays for all; or lengthen the window")
    if traffic.epsilon_day > need:
        what = (
            f"{day} is more than the {decimal_text(need)} that a day's {windows} windows can spend: it limits nothing"
        )
        warn("traffic", "epsilon_per_day", what, f"make it {decimal_text(need)}")
    for table, part in (("traffic", traffic), ("footfall", model.footfall)):
        if part is not None and part.k == 1:
            warn(table, "k", "1 lets a count of one person through", "make it 3 or more")
        if part is not None and part.epsilon_release > GENEROUS:
            given = decimal_text(part.epsilon_release)
            warn(table, "epsilon_per_release", f"{given} leaves hardly any noise", "1 or less is usual for people")
    return found


@dataclass(frozen=True)
class CellOutlook:
    """What a cell will deliver on the street: mean true count and share of windows released, over known windows."""

    cell: "Cell"
    mean: float
    released: float
    noise: int  # half of the 95 % interval

    @property
    def fine(self) -> bool:
        """Whether it is worth having: mostly released, and the noise smaller than the count."""
        return self.released >= RELEASED_MIN and self.noise <= self.mean

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "cell": str(self.cell),
            "mean_count": round(self.mean, 3),
            "released_share": round(self.released, 4),
            "noise_95": self.noise,
        }


def outlook(policy: Policy, street: "Street") -> list[CellOutlook]:
    """One for each cell, in the report's order."""
    from hadeda.policy.noise import at_least, interval

    traffic = policy.traffic
    counts = street.counts[street.known]
    chance = at_least(counts, traffic.k, traffic.epsilon_release)
    noise = interval(traffic.epsilon_release)
    return [
        CellOutlook(cell, float(counts[:, place].mean()), float(chance[:, place].mean()), noise)
        for place, cell in enumerate(street.cells)
    ]


def too_fine(policy: Read[Policy], street: "Street") -> list[Finding]:
    """Cells that the street's traffic does not fill."""
    from hadeda.policy.street import COUNTED_AS

    model, found = policy.model, []
    if not street.known.any():
        return [policy.finding("traffic", "classes", "the street file knows no hour", "play another", "warning")]
    for row in outlook(model, street):
        if row.fine:
            continue
        if row.cell.cls not in COUNTED_AS or not row.mean:
            what = f"{row.cell}: nobody on the scenario's street is counted here, so nothing can be said about it"
            found.append(policy.finding("traffic", "classes", what, "play another street with --street", "warning"))
            continue
        what = (
            f"{row.cell}: {row.mean:.1f} passages in an average window of {street.window_s} s, the noise is within "
            f"{row.noise} in 95 of 100 windows, and k = {model.traffic.k} lets {row.released:.0%} of them through"
        )
        key = "speed_bands_kmh" if model.traffic.speed_bands_kmh else "k"
        found.append(policy.finding("traffic", key, what, _cure(model, street, row.cell), "warning"))
    return found


def _cure(policy: Policy, street: "Street", cell: "Cell") -> str:
    """The shortest window, of those tried, in which this cell would be worth having."""
    place = street.cells.index(cell)
    for factor in COARSER:
        if street.per_day % factor:
            continue
        coarse = street.coarser(factor)
        row = outlook(policy, coarse)[place]
        if row.fine:
            return f"a window of {coarse.window_s} s would let {row.released:.0%} through; or merge it with a neighbour"
    return "no window of a day helps: merge it with a neighbour"
