"""Lives one cycle and cuts the power at every flash operation of it, in a process of its own that may fork."""

from __future__ import annotations

import multiprocessing
import resource
import traceback
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import whole_cycle
from cut_aftermath import Judge
from flash_image import node_secrets
from flash_stages import by_stage
from power_cuts import PowerCuts
from whole_cycle import Patch

from hadeda.board.partitions import find, hadeda


@dataclass
class Swept:
    """What a sweep, or a share of one, came to. `stages`: flash operations of the recorded life, by stage."""

    stages: Counter[str] = field(default_factory=Counter)
    points: int = 0
    forks: int = 0
    failures: list[str] = field(default_factory=list)
    cpu_s: float = 0.0

    def __str__(self) -> str:
        stages = ", ".join(f"{name} {count}" for name, count in self.stages.items())
        return (
            f"{self.stages.total()} flash operations in the cycle ({stages}); {self.points} cut points of "
            f"{3 * self.stages.total()} tried in {self.forks} restarts, {self.cpu_s:.0f} s of CPU"
        )


def sweep(share: int, shares: int) -> Swept:
    """One share of all cuts."""
    return _in_a_process(share, shares, None, None)


def hunt(patch: Patch, partition: str) -> Swept:
    """With a bug planted, every third cut in one partition until it is found."""
    return _in_a_process(0, 3, patch, partition)


def _in_a_process(*wanted: Any) -> Swept:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, *wanted))
    process.start()
    theirs.close()
    try:
        swept = ours.recv()
    finally:
        process.join()
    if not isinstance(swept, Swept):
        raise RuntimeError(swept)
    return swept


def _work(line: Connection, *wanted: Any) -> None:
    with TemporaryDirectory(prefix="hadeda-powercuts-") as folder:
        try:
            line.send(_swept(Path(folder), *wanted))
        except Exception:
            line.send(traceback.format_exc())


def _swept(folder: Path, share: int, shares: int, patch: Patch | None, partition: str | None) -> Swept:
    within = find(hadeda(whole_cycle.board().flash_mb), partition) if partition else None
    cuts = PowerCuts(share, shares, within)
    with whole_cycle.street_before(folder, cuts, patch) as street:
        secrets = node_secrets(street.posts[0].emulated.flash.image(), street.wanted.board)
        new = whole_cycle.queue_commands(street)
        factory = (folder / "factory.bin").read_bytes()
        cuts.begin(street, Judge(factory, (secrets["policy"], secrets["floor"]), new))
        whole_cycle.live_through(street)
        cuts.end()
        street.check(final=True)
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu_s = sum(each.ru_utime + each.ru_stime for each in usage)
    uncut = [f"without a cut: {text}" for text in street.violations]
    stages = by_stage(cuts.operations, street.wanted.board, secrets)
    return Swept(stages, cuts.points, cuts.forks, uncut + cuts.failures, cpu_s)
