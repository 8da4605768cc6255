"""What a board's sensors cannot deliver of a policy: better known at the table than on the pole."""

from collections.abc import Iterator

from hadeda.board.parts import Part, load_parts
from hadeda.board.road_users import ANYBODY
from hadeda.board.rules import counted
from hadeda.board.schema import Board
from hadeda.envelope import labels
from hadeda.errors import PolicyError
from hadeda.policy.compiled import Compiled

CAMERAS = ("grove_vision",)


def shortfalls(board: Board, policy: Compiled) -> list[str]:
    """What will be missing from the reports of this board, in words; raises PolicyError where that is everything."""
    rows = [(sensor, load_parts()[sensor.part]) for sensor in board.sensors]
    counting = [(sensor, row) for sensor, row in rows if row.classes]
    classes = {name for sensor, row in counting for name in counted(sensor, row)}
    channels = {channel for _, row in rows for channel in row.channels}
    wanted, said = set(policy.cells.classes), set(policy.channel_names)
    if not wanted & classes and not said & channels:
        raise PolicyError(
            f"policy {policy.name} {policy.version} allows nothing that {board.name} can sense",
            f"it counts {_listed(classes)} and measures {_listed(channels)}",
        )
    mine = [row for _, row in counting if set(row.classes) & set(policy.cells.classes)]
    return [*_missing(board, policy, classes, channels), *_directions(policy, mine), *_speeds(policy, mine)]


def _missing(board: Board, policy: Compiled, classes: set[str], channels: set[str]) -> Iterator[str]:
    for name in policy.cells.classes:
        if name not in classes:
            yield f"no sensor of {board.name} counts {name!r}: its cells stay withheld"
    for name in policy.channel_names:
        if name not in channels:
            yield f"no sensor of {board.name} measures {name}: it will not be in the reports"
    for name in sorted(classes - set(policy.cells.classes)):
        yield f"the policy has no cell for {name!r}: what {board.name} sees of it is dropped"
    hearing = [sensor.part for sensor in board.sensors if load_parts()[sensor.part].kind == "radio"]
    if policy.footfall is not None and not hearing:
        yield f"no part of {board.name} hears devices: there will be no footfall"
    if policy.footfall is None and hearing:
        yield f"the policy allows no footfall: the {hearing[0]} stays unused"
    parts = [sensor.part for sensor in board.sensors]
    cameras = [part for part in parts if part in CAMERAS]
    presences = [part for part in parts if ANYBODY in load_parts()[part].classes]
    for source, what, unused in (
        (labels.SOURCE_VISION, "camera", cameras),
        (labels.SOURCE_PRESENCE, "presence input", presences),
    ):
        if source not in policy.sources:
            yield from (f"the policy allows no {what}: the {part} stays unused" for part in unused)


def _directions(policy: Compiled, counting: list[Part]) -> Iterator[str]:
    """Sensors that tell no direction for which the policy has a cell."""
    for row in counting:
        if not set(row.directions) & set(policy.cells.directions):
            yield (
                f"the {row.title} counts {' and '.join(row.directions)}, and the policy has cells for "
                f"{_listed(set(policy.cells.directions))} only: what it counts is dropped"
            )


def _speeds(policy: Compiled, counting: list[Part]) -> Iterator[str]:
    """Bands outside of what the sensors that count for this policy can measure."""
    edges = policy.cells.speed_bands_kmh
    if not edges:
        return
    for row in counting:
        if row.speeds_kmh is None:
            yield f"the {row.title} measures no speeds: all it counts is in the lowest band, below {edges[0]} km/h"
            continue
        slowest, fastest = row.speeds_kmh
        for low, high in zip((0, *edges), (*edges, None), strict=True):
            if low > fastest or (high is not None and high <= slowest):
                band = f"{low} to {high} km/h" if high is not None else f"{low} km/h and more"
                yield f"the {row.title} measures {slowest} to {fastest} km/h: its band {band} stays empty"


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
