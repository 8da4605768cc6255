"""Mosquitto and PostgreSQL, as a city would run them, for as long as a measurement or a test lasts.

    with postgresql() as server, mosquitto(city, folder) as broker: ...

Both listen on this machine only: PostgreSQL on a Unix socket in a folder of its own, as its own user where we are root
(it refuses to be root), with nothing tuned. Raise BenchError where they are not installed or do not start.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from hadeda.city import City
from hadeda.city.mosquitto import write_configuration
from hadeda.errors import BenchError

START_S: Final = 30.0
USER: Final = "hadeda"
LOCAL: Final = "127.0.0.1"
UNPRIVILEGED: Final = "postgres"  # Debian's package makes this user


@dataclass(frozen=True)
class Server:
    """A process that listens. `stop` and `start` are an operator's."""

    folder: Path
    start: Callable[[], None]
    stop: Callable[[], None]
    pid: Callable[[], int]

    def url(self, database: str) -> str:
        """Of one of a PostgreSQL server's databases; `postgres` is there from the beginning."""
        return f"postgresql://{USER}@/{database}?host={self.folder}"


@contextmanager
def postgresql(*settings: str) -> Iterator[Server]:
    """A new, empty server; `settings` as `fsync=off` are added to its own."""
    initdb, program = _program("initdb"), _program("postgres")
    user: dict[str, Any] = {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []} if not os.getuid() else {}
    with TemporaryDirectory(prefix="hadeda-pg-", dir="/tmp") as name:  # a socket's path is short
        folder = Path(name)
        if user:
            shutil.chown(folder, UNPRIVILEGED, UNPRIVILEGED)
        make = [initdb, "-D", str(folder / "data"), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        done = subprocess.run(make, capture_output=True, text=True, cwd=folder, check=False, **user)
        if done.returncode:
            raise BenchError(f"initdb failed ({done.stderr.strip()})", "see what it says")
        command = [program, "-D", folder / "data", "-k", folder, "-c", "listen_addresses="]
        command += [part for setting in settings for part in ("-c", setting)]
        lock_file = folder / "data" / "postmaster.pid"
        with _running(folder, command, lambda: _is_ready(lock_file), cwd=folder, **user) as server:
            yield server


@contextmanager
def mosquitto(city: City, folder: Path) -> Iterator[Server]:
    """The city's broker, configured as `hadeda city mosquitto` does it in the new folder, on the city's port."""
    configuration = write_configuration(city, folder, bind=LOCAL)
    port = city.settings.broker.port
    with _running(folder, [_program("mosquitto"), "-c", configuration], lambda: _accepts((LOCAL, port))) as server:
        yield server


def _program(name: str) -> str:
    places = [os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"]
    places += map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        package = "mosquitto" if name == "mosquitto" else "postgresql"
        raise BenchError(f"{name} is missing", f"run: sudo apt-get install --no-install-recommends {package}")
    return found


def _is_ready(lock_file: Path) -> bool:
    """Its last line says whether PostgreSQL takes queries; it listens some time before."""
    return lock_file.exists() and lock_file.read_text().rstrip().endswith("ready")


def _accepts(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return not probe.connect_ex(address)


@contextmanager
def _running(folder: Path, command: list[Any], listens: Callable[[], bool], **how: Any) -> Iterator[Server]:
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, **how)
        running.append(process)
        deadline = time.monotonic() + START_S
        while not listens():
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"{command[0]} does not start", (folder / "log").read_text(errors="replace")[-500:])
            time.sleep(0.02)

    def stop() -> None:
        for process in running:
            process.send_signal(2)  # PostgreSQL hangs up on whoever is connected; Mosquitto just ends
            process.wait(START_S)
        running.clear()

    try:
        start()
        yield Server(folder, start, stop, lambda: running[0].pid)
    finally:
        stop()
