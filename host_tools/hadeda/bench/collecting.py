"""How many messages a collector takes, beside a bare loop of signature checks on the same core in the same run.

The collector is the city's own, over a city folder on disk: every message is decrypted, checked, and on disk when it
counts. The loop is what no collector can do without: one P-256 verification a message, by the same OpenSSL, of a key
that is loaded already.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from hadeda import cores
from hadeda.bench.sealed_load import START_S, WINDOW_S, make
from hadeda.city import City
from hadeda.collect import Collector, Status
from hadeda.errors import BenchError

BATCH: Final = 20  # as many as Mosquitto lets wait for an acknowledgement
SIGNED: Final = bytes(200)  # as long as what a report's signature covers


@dataclass(frozen=True)
class Rate:
    """Messages, and checks of the bare loop, a CPU second (user and system) of one core; and a second on the clock."""

    messages: float
    checks: float
    messages_on_the_clock: float


def rates(nodes: int, reports: int, runs: int, done: Callable[[], None]) -> list[Rate]:
    """So many runs, each over a fresh copy of the city; `done` after each. Raises BenchError if one is not stored."""
    with TemporaryDirectory(prefix="hadeda-bench-") as name, cores.on_one():
        folder = Path(name)
        messages = make(folder / "city", nodes, reports)
        now = datetime.fromtimestamp(START_S + reports * WINDOW_S, UTC)
        found = []
        for run in range(runs):
            copy = folder / f"run{run}"
            shutil.copytree(folder / "city", copy)
            checks = bare_loop(len(messages))
            cpu_s, clock_s = _collect(copy, messages, now)
            found.append(Rate(len(messages) / cpu_s, checks, len(messages) / clock_s))
            shutil.rmtree(copy)
            done()
        return found


def bare_loop(count: int) -> float:
    """Checks a CPU second."""
    private = ec.generate_private_key(ec.SECP256R1())
    public, signature = private.public_key(), private.sign(SIGNED, ec.ECDSA(SHA256()))
    started = time.process_time()
    for _ in range(count):
        public.verify(signature, SIGNED, ec.ECDSA(SHA256()))
    return count / (time.process_time() - started)


def _collect(folder: Path, messages: list[bytes], now: datetime) -> tuple[float, float]:
    """CPU seconds, and seconds on the clock, in which all of them are taken."""
    with City.open(folder) as city:
        collector = Collector(city, lambda: now)
        cpu_s, clock_s = time.process_time(), time.monotonic()
        for at in range(0, len(messages), BATCH):
            collector.receive_many(messages[at : at + BATCH])
        taken = time.process_time() - cpu_s, time.monotonic() - clock_s
        stored = collector.counts[Status.STORED]
    if stored != len(messages):
        raise BenchError(f"only {stored} of {len(messages)} messages are stored", "a defect: report it")
    return taken
