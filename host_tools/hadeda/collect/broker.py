"""A broker in this process for demos and small trials (amqtt): TLS with the city's certificate, its logins required.

    with EmbeddedBroker(city):
        ...                      # listens on 127.0.0.1 at the port of city.toml

It keeps sessions and waiting messages in memory only: a city runs Mosquitto, see `hadeda city mosquitto`.
"""

import asyncio
import hmac
import logging
import socket
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from amqtt.broker import Broker  # type: ignore[import-untyped]
from amqtt.contexts import Action  # type: ignore[import-untyped]
from amqtt.errors import BrokerError as AmqttError  # type: ignore[import-untyped]
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin  # type: ignore[import-untyped]
from amqtt.session import Session  # type: ignore[import-untyped]

from hadeda.city import City
from hadeda.errors import BrokerError

LOCAL: Final = "127.0.0.1"


def free_port() -> int:
    """A TCP port that nobody on this machine listens on right now."""
    with socket.socket() as probe:
        probe.bind((LOCAL, 0))
        return int(probe.getsockname()[1])


class TransportLogin(BaseAuthPlugin):  # type: ignore[misc]
    """Lets the nodes' login and the city's in, and nobody else."""

    async def authenticate(self, *, session: Session) -> bool | None:
        """Whether the session's user and password are one of the two."""
        wanted = self.config.passwords.get(session.username or "", "")
        given = hmac.compare_digest((session.password or "").encode(), wanted.encode())
        return given and bool(wanted)

    @dataclass
    class Config:
        """Password by user."""

        passwords: dict[str, str] = field(default_factory=dict, repr=False)


class TransportRights(BaseTopicPlugin):  # type: ignore[misc]
    """Nodes write reports and read letters, the city the other way round; as in city/mosquitto.py."""

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool | None:
        """Whether the session may do this with the topic."""
        is_city = session is not None and session.username == self.config.city_user
        prefix, _, below = (topic or "").rpartition("/")
        if topic == self.config.up:
            return is_city == (action is not Action.PUBLISH)
        if prefix == self.config.down and below != "#":
            return is_city == (action is Action.PUBLISH)
        return False

    @dataclass
    class Config:
        """The city's user and the two topics."""

        city_user: str = ""
        up: str = ""
        down: str = ""


class EmbeddedBroker:
    """The broker, in a thread of its own while the block runs; raises BrokerError where it cannot listen."""

    def __init__(self, city: City, port: int | None = None) -> None:
        self.port = port or city.settings.broker.port
        self._configuration: dict[str, Any] = {
            "listeners": {
                "default": {
                    "type": "tcp",
                    "bind": f"{LOCAL}:{self.port}",
                    "ssl": True,
                    "certfile": str(city.broker_certificate_file),
                    "keyfile": str(city.broker_key_file),
                }
            },
            "plugins": {
                f"{__name__}.{TransportLogin.__name__}": {
                    "passwords": {
                        city.secrets.broker_user: city.secrets.broker_password,
                        city.secrets.city_user: city.secrets.city_password,
                    }
                },
                f"{__name__}.{TransportRights.__name__}": {
                    "city_user": city.secrets.city_user,
                    "up": city.settings.broker.topic,
                    "down": city.settings.broker.down,
                },
            },
        }
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)

    def __enter__(self) -> Self:
        for name in ("amqtt", "transitions"):  # they log every packet, and every refused client with a traceback
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise BrokerError(
                f"the broker cannot listen on {LOCAL}:{self.port} ({self._failure})",
                "stop what uses this port, or choose another one in city.toml",
            ) from self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except AmqttError as error:
            self._failure = error.__cause__ or error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        broker = Broker(self._configuration, self._loop)
        await broker.start()
        self._ready.set()
        await self._stop.wait()
        await broker.shutdown()
