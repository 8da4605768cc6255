"""city.toml, which may be shown around, and secrets.toml, which may not. Unknown keys are errors in both."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from hadeda import toml
from hadeda.errors import CityError
from hadeda.provision.network import DOWN_PREFIX, UP_TOPIC

# Printable and short: these strings travel into TOML, certificates and the node's configuration
Line = Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
NonEmpty = Annotated[Line, StringConstraints(min_length=1)]
HostName = Annotated[str, StringConstraints(max_length=253, pattern=r"^[A-Za-z0-9._:-]*$")]

Topic = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^#+$\x00][^#+\x00]*$")]


def _without_password(url: str) -> str:
    """Raise ValueError for what is no URL of a PostgreSQL database, or has a password: this file is shown around."""
    parts = urlsplit(url)
    if url and parts.scheme != "postgresql":
        raise ValueError("is not empty and does not begin with postgresql://")
    _ = parts.port  # ValueError where it is none
    if parts.password is not None or "password=" in parts.query:
        raise ValueError("has a password; that belongs into ~/.pgpass or PGPASSWORD")
    return url


DatabaseUrl = Annotated[str, StringConstraints(max_length=512), AfterValidator(_without_password)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BrokerSettings(_Strict):
    """Where nodes and the collector find the MQTT broker. TLS always; nothing identifying in the topic."""

    host: Annotated[HostName, StringConstraints(min_length=1)] = "localhost"
    port: int = Field(default=8883, ge=1, le=65535)
    topic: Topic = UP_TOPIC
    down: Topic = DOWN_PREFIX


class WifiSettings(_Strict):
    """The network nodes join; its password is in secrets.toml."""

    ssid: Line = ""


class CitySettings(_Strict):
    """city.toml. `ntp` is the time server nodes ask; empty leaves their clocks free-running.

    `database` is the URL of a PostgreSQL database without a password; empty: the SQLite file in the city's folder.
    """

    name: NonEmpty
    created: datetime
    ntp: HostName = ""
    database: DatabaseUrl = ""
    broker: BrokerSettings = BrokerSettings()
    wifi: WifiSettings = WifiSettings()

    def render(self) -> str:
        """The text of city.toml."""
        return (
            "# A Hadeda city. Passwords are in secrets.toml, keys in keys/ and tls/.\n"
            f"name = {_quote(self.name)}\n"
            f"created = {self.created.isoformat(timespec='seconds')}\n"
            f"ntp = {_quote(self.ntp)}                # time server the nodes ask; empty: none\n"
            f"database = {_quote(self.database)}           # empty: city.db here; else postgresql://USER@HOST/NAME\n"
            "\n[broker]                # MQTT over TLS with the city's own authority\n"
            f"host = {_quote(self.broker.host)}\n"
            f"port = {self.broker.port}\n"
            f"topic = {_quote(self.broker.topic)}\n"
            f"down = {_quote(self.broker.down)}      # letters to a node stand below it\n"
            "\n[wifi]                  # what nodes join\n"
            f"ssid = {_quote(self.wifi.ssid)}\n"
        )


class Secrets(_Strict):
    """secrets.toml: the nodes' login at the broker, the city's own, and the Wi-Fi password. Never shown by a repr."""

    broker_user: NonEmpty = Field(repr=False)
    broker_password: NonEmpty = Field(repr=False)
    city_user: NonEmpty = Field(repr=False)
    city_password: NonEmpty = Field(repr=False)
    wifi_password: Line = Field(default="", repr=False)

    def render(self) -> str:
        """The text of secrets.toml."""
        return (
            "# Keep this file to yourself. At the broker the nodes are broker_user, the city is city_user.\n"
            + "".join(f"{key} = {_quote(value)}\n" for key, value in self.model_dump().items())
        )


Model = TypeVar("Model", bound=BaseModel)


def load(path: Path, model: type[Model]) -> Model:
    """Read `path` as `model`; raises CityError that names the file and the key."""
    try:
        return model.model_validate(toml.read(path))
    except FileNotFoundError:
        raise CityError(f"{path} is missing", "restore the city folder from its backup") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CityError(f"{path} cannot be read ({error})", "check its permissions and content") from error
    except ValidationError as error:
        # Never the value itself: this reads secrets.toml too
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise CityError(f"{path}: {key}: {first['msg']}", "correct this key in an editor") from None
    except ValueError as error:
        raise CityError(f"{path} is not TOML ({error})", "correct it in an editor") from error


def _quote(text: str) -> str:
    """`text` as a TOML basic string: JSON's escapes are a part of TOML's."""
    return json.dumps(text, ensure_ascii=False)
