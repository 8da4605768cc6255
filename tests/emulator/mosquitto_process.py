"""A real Mosquitto for one test: TLS as `hadeda.city.mosquitto` configures it, or plain TCP to read the wire."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from hadeda.city import City
from hadeda.city.mosquitto import write_configuration

LOCAL = "127.0.0.1"
START_S = 10.0


def executable() -> str:
    """Where it is; the test fails with the install command where it is not."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail("these tests need Mosquitto: apt-get install mosquitto")
    return found


def free_port() -> int:
    """A port outside the range that outgoing connections are given, so that it stays free while nobody listens."""
    for offset in range(5000):
        port = 20000 + (os.getpid() * 37 + offset) % 10000
        with socket.socket() as probe:
            if probe.connect_ex((LOCAL, port)):
                return port
    raise AssertionError("no free port below 30000")


class Mosquitto:
    """Context manager: inside it listens on `port` (the city's unless given), as the broker of city `certificates`."""

    def __init__(
        self,
        city: City,
        folder: Path,
        *,
        port: int | None = None,
        tls: bool = True,
        certificates: City | None = None,
    ) -> None:
        self.port = port or city.settings.broker.port
        self._configuration = write_configuration(city, folder, self.port, LOCAL)
        self._log = folder / "log"
        text = self._configuration.read_text()
        if not tls:
            text = "\n".join(
                line for line in text.splitlines() if line.split(" ")[0] not in ("cafile", "certfile", "keyfile")
            )
        if certificates is not None:
            text = text.replace(str(city.directory), str(certificates.directory))
        self._configuration.write_text(f"{text}\nlog_dest file {self._log}\nlog_type all\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has logged, everything on."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(
            [executable(), "-c", self._configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_S
        while True:
            with socket.socket() as probe:
                if not probe.connect_ex((LOCAL, self.port)):
                    return
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                pytest.fail(f"mosquitto does not listen on {self.port}:\n{self.log}")
            time.sleep(0.01)

    def stop(self) -> None:
        """End it as a service manager would."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
