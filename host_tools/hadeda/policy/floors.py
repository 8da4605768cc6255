"""What a floor refuses, and what makes one floor looser than another: the node's rules, applied before it has to."""

from collections.abc import Iterator
from dataclasses import dataclass

from hadeda.errors import PolicyError
from hadeda.policy.compiled import Compiled
from hadeda.policy.schema import ENERGY, SOURCE_IDS, Floor, decimal_text


@dataclass(frozen=True)
class Breach:
    """A value of a policy that a floor refuses: where it stands in the policy's file, what is wrong, what to do."""

    table: str
    key: str
    what: str
    todo: str


def breaches(policy: Compiled, floor: Floor) -> Iterator[Breach]:
    """Every value that a node with this floor refuses."""
    counts = floor.counts
    if policy.window_s < floor.window.min_seconds:
        what = f"{policy.window_s} s is below the floor's {floor.window.min_seconds} s"
        yield Breach("window", "seconds", what, f"make it at least {floor.window.min_seconds}")
    parts = [("traffic", policy.k, policy.epsilon_release)]
    if policy.footfall is not None:
        parts.append(("footfall", policy.footfall.k, policy.footfall.epsilon_release))
    for table, k, epsilon in parts:
        if k < counts.min_k:
            yield Breach(table, "k", f"{k} is below the floor's {counts.min_k}", f"make it at least {counts.min_k}")
        if epsilon > counts.max_epsilon_release:
            given, most = decimal_text(epsilon), decimal_text(counts.max_epsilon_release)
            yield Breach(
                table, "epsilon_per_release", f"{given} is above the floor's {most}", f"make it at most {most}"
            )
    most = decimal_text(counts.max_epsilon_release)
    if policy.epsilon_window > counts.max_epsilon_release >= max(epsilon for _, _, epsilon in parts):
        what = f"with the passages' {decimal_text(policy.epsilon_release)} it is above the floor's {most} for a release"
        yield Breach("footfall", "epsilon_per_release", what, f"make the two {most} together at most")
    if policy.epsilon_day > counts.max_epsilon_day:
        given, most = decimal_text(policy.epsilon_day), decimal_text(counts.max_epsilon_day)
        yield Breach("traffic", "epsilon_per_day", f"{given} is above the floor's {most}", f"make it at most {most}")
    yield from _energy_breaches(policy, floor)
    for name in policy.channel_names:
        if name in floor.never.channels and name != ENERGY:
            yield Breach("air", "channels", f"{name!r} is never allowed by the floor", "take it out")
    for name, number in SOURCE_IDS.items():
        if number in policy.sources and name in floor.never.sources:
            yield Breach("", name, f"{name} is never allowed by the floor", f"take the table [{name}] out")


def _energy_breaches(policy: Compiled, floor: Floor) -> Iterator[Breach]:
    if ENERGY not in policy.channel_names:
        return
    if floor.energy is None or ENERGY in floor.never.channels:
        yield Breach("", ENERGY, f"{ENERGY} is never allowed by the floor", f"take the table [{ENERGY}] out")
    elif policy.window_s < floor.energy.min_seconds:
        least = floor.energy.min_seconds
        what = f"{policy.window_s} s is below the {least} s that the floor wants for energy"
        yield Breach("window", "seconds", what, f"make it at least {least}, or take the table [{ENERGY}] out")


def require_kept(policy: Compiled, floor: Floor, hint: str) -> None:
    """Raise PolicyError where the policy does not keep the floor."""
    found = [f"{breach.key} {breach.what}" for breach in breaches(policy, floor)]
    if found:
        raise PolicyError(f"policy {policy.name} {policy.version} is below the floor ({'; '.join(found)})", hint)


def loosened(now: Floor, then: Floor) -> list[str]:
    """What `now` allows that `then` did not, in words; nothing where it is at least as strict in everything."""
    found = []
    for name, new, old in (
        ("the window", now.window.min_seconds, then.window.min_seconds),
        ("k", now.counts.min_k, then.counts.min_k),
    ):
        if new < old:
            found.append(f"{name} from {old} down to {new}")
    for name, new, old in (
        ("epsilon of a release", now.counts.max_epsilon_release, then.counts.max_epsilon_release),
        ("epsilon of a day", now.counts.max_epsilon_day, then.counts.max_epsilon_day),
    ):
        if new > old:
            found.append(f"{name} from {decimal_text(old)} up to {decimal_text(new)}")
    found += _energy_loosened(now, then)
    gone = [
        *(name for name in then.never.channels if name not in now.never.channels),
        *(name for name in then.never.sources if name not in now.never.sources),
    ]
    return found + [f"{name}, which was never allowed" for name in gone]


def _energy_loosened(now: Floor, then: Floor) -> list[str]:
    if now.energy is None:
        return []
    if then.energy is None:
        return [f"{ENERGY}, which was never allowed"]
    return [
        f"{name} from {old} down to {new}"
        for name, new, old in (
            ("energy's window", now.energy.min_seconds, then.energy.min_seconds),
            ("energy's step", now.energy.min_step_wh, then.energy.min_step_wh),
        )
        if new < old
    ]
