"""How many messages two collectors take that share a subscription: Mosquitto, two `hadeda collect`, one PostgreSQL.

All of them as a city would run them, on this machine, over TLS to the broker and a Unix socket to the database, whose
commits are on disk. The collectors are stopped while the messages are published, and go on at once: what is measured is
how a backlog is worked off. Beside the clock, the CPU time of each party is read, and what PostgreSQL says the
collectors' sessions are doing is looked at every few milliseconds: that names the bottleneck.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import Connection, create_engine, text

from hadeda.bench.collecting import bare_loop
from hadeda.bench.sealed_load import make
from hadeda.bench.servers import mosquitto, postgresql
from hadeda.city import City
from hadeda.collect.broker import free_port
from hadeda.errors import BenchError
from hadeda.registry.postgresql import DRIVER

NAMES: Final = ("one", "two")
LOOK_EVERY_S: Final = 0.02
PATIENCE_S: Final = 120.0
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
COUNT: Final = text("SELECT count(*) FROM report")
PYTHON: Final = "the collectors' Python"
# A transaction that waits for its client waits for Python, as does a collector that is in none
DOING: Final = {
    "Client": PYTHON,
    "Lock": "waiting for each other's locks",
    "IO": "waiting for the disk",
    "LWLock": "waiting for the disk",
    "": "executing in PostgreSQL",
}
LOOK: Final = text(
    "SELECT coalesce(wait_event_type, '') FROM pg_stat_activity WHERE backend_type = 'client backend' "
    "AND datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
)


@dataclass(frozen=True)
class Shared:
    """`cpu_s` by party; `doing`: shares of the collectors' time, the largest first."""

    messages: int
    clock_s: float
    checks: float
    cpu_s: dict[str, float]
    doing: dict[str, float]


def shared(nodes: int, reports: int) -> Shared:
    """One run; raises BenchError where a server is missing or a message is not stored."""
    if not Path("/proc/self/stat").exists():
        raise BenchError("this system does not say what a process has used", "run it on Linux")
    with ExitStack() as opened:
        folder = Path(opened.enter_context(TemporaryDirectory(prefix="hadeda-bench-")))
        server = opened.enter_context(postgresql())
        url = server.url("postgres")
        messages = make(folder / "city", nodes, reports, port=free_port(), database=url)
        city = opened.enter_context(City.open(folder / "city"))
        broker = opened.enter_context(mosquitto(city, folder / "broker"))
        collectors = [opened.enter_context(_collector(city, name)) for name in NAMES]
        engine = create_engine(url.replace("postgresql", DRIVER, 1), isolation_level="AUTOCOMMIT")
        opened.callback(engine.dispose)
        for collector in collectors:
            os.kill(collector, signal.SIGSTOP)
        _publish(city, messages)
        checks = bare_loop(len(messages))
        parties = {"collectors": collectors, "PostgreSQL": [server.pid()], "Mosquitto": [broker.pid()]}
        with engine.connect() as connection:
            return _watch(connection, parties, len(messages), checks)


def _watch(connection: Connection, parties: dict[str, list[int]], wanted: int, checks: float) -> Shared:
    before = {name: sum(map(_cpu_s, pids)) for name, pids in parties.items()}
    seen: Counter[str] = Counter()
    started = time.monotonic()
    for collector in parties["collectors"]:
        os.kill(collector, signal.SIGCONT)
    while connection.scalar(COUNT) < wanted:
        if time.monotonic() - started > PATIENCE_S:
            raise BenchError(f"{connection.scalar(COUNT)} of {wanted} messages are stored", "a defect: report it")
        doing = [DOING.get(kind, kind) for kind in connection.scalars(LOOK)]
        seen.update(doing + [PYTHON] * (len(NAMES) - len(doing)))
        time.sleep(LOOK_EVERY_S)
    clock_s = time.monotonic() - started
    used = {name: sum(map(_cpu_s, pids)) - before[name] for name, pids in parties.items()}
    return Shared(wanted, clock_s, checks, used, {what: count / seen.total() for what, count in seen.most_common()})


@contextmanager
def _collector(city: City, name: str) -> Iterator[int]:
    """A `hadeda collect` that is connected; its process id."""
    command = [sys.executable, "-m", "hadeda.cli.main", "collect", "--share", name, "--city", str(city.directory)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        if "collecting for" not in said:
            raise BenchError(f"a collector does not start ({said.strip()})", "a defect: report it")
        yield process.pid
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.communicate()


def _publish(city: City, messages: list[bytes]) -> None:
    """As nodes do, with their login; the broker has them all when this returns."""
    client = Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(city.secrets.broker_user, city.secrets.broker_password)
    client.tls_set_context(city.tls_context())
    client.max_inflight_messages_set(1000)
    client.connect(city.settings.broker.host, city.settings.broker.port)
    client.loop_start()
    try:
        sent = [client.publish(city.settings.broker.topic, message, qos=1) for message in messages]
        for one in sent:
            one.wait_for_publish(PATIENCE_S)
    finally:
        client.disconnect()
        client.loop_stop()


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process and its children, those that are gone too."""
    found = _ticks(pid)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue  # it has ended meanwhile
        if parent == pid:
            found += _ticks(int(stat.parent.name))
    return found / TICKS_PER_S


def _ticks(pid: int) -> int:
    """utime, stime and those of children that were waited for: proc(5)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15]))
