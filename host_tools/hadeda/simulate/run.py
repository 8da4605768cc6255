"""Runs a simulation on one or several cores: each has a part of the boards, with a broker and a collector of its own.

Boards know nothing of each other, and what broker and collector do for one does not depend on the others: so the parts
share nothing, and the digest is the same in however many they are run. What it takes to be so: a profile of faults
draws for each board apart, and does to the city what it does at moments that the seed alone sets.
"""

import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hadeda import cores
from hadeda.errors import SimulationError
from hadeda.simulate.profiles import PROFILES
from hadeda.simulate.provisioning import prepare
from hadeda.simulate.street import Street, Wanted
from hadeda.simulate.summary import Part, Summary, account, summary

Say = Callable[[str], None]
Done = Callable[[int], None]  # microseconds of board time that have passed, of all boards together


def simulate(wanted: Wanted, say: Say, done: Done, jobs: int = 1) -> Summary:
    """Run it in folders that are gone afterwards, on `jobs` cores."""
    started = time.monotonic()
    jobs = min(jobs, wanted.boards)
    if jobs == 1:
        with cores.on_one():
            parts = [run_part(wanted, range(wanted.boards), say, done)]
    else:
        parts = _side_by_side(wanted, [range(wanted.boards)[job::jobs] for job in range(jobs)], say, done)
    return summary(wanted, parts, time.monotonic() - started)


def run_part(wanted: Wanted, numbers: Sequence[int], say: Say, done: Done) -> Part:
    """The boards with these numbers."""
    faults = PROFILES[wanted.profile](wanted.seed, wanted.boards, wanted.length_us)
    with TemporaryDirectory(prefix="hadeda-simulate-") as folder:
        prepare(wanted.board, numbers, wanted.seed, Path(folder), say)
        with Street(wanted, faults, Path(folder), numbers) as street:
            before_s = _cpu_s()
            street.run(lambda us: done(us * len(numbers)))
            return account(street, _cpu_s() - before_s)


def _cpu_s() -> float:
    """CPU seconds of this process and of the boards' processes that have ended."""
    mine, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime


def _side_by_side(wanted: Wanted, shares: Sequence[Sequence[int]], say: Say, done: Done) -> list[Part]:
    context = multiprocessing.get_context("spawn")
    found: dict[int, Part] = {}
    lines: dict[Any, int] = {}
    workers = []
    usable = cores.usable()
    try:
        for job, share in enumerate(shares):
            ours, theirs = context.Pipe(duplex=False)
            arguments = (wanted, share, usable[job % len(usable)], theirs)
            worker = context.Process(target=_work, args=arguments, daemon=True)
            worker.start()
            theirs.close()
            workers.append(worker)
            lines[ours] = job
        while lines:
            for line in wait(list(lines)):
                _hear(line, lines, found, say, done)
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()
    return [found[job] for job in range(len(shares))]


def _hear(line: Any, lines: dict[Any, int], found: dict[int, Part], say: Say, done: Done) -> None:
    """One word of a worker."""
    try:
        word = line.recv()
    except EOFError:
        raise SimulationError("a part of the simulation ended early", "run it with --jobs 1 to see why") from None
    if isinstance(word, Part):
        found[lines.pop(line)] = word
    elif isinstance(word, int):
        done(word)
    else:
        say(word)


def _work(wanted: Wanted, numbers: Sequence[int], core: int, line: Connection) -> None:
    """A part, in a process of its own."""
    with cores.on_one(core):
        line.send(run_part(wanted, numbers, line.send, line.send))
