"""The file of `hadeda node command NODE set-network FILE.toml`: what changes of a node's way to the city.

    [wifi]
    ssid = "square"
    password = "..."                # empty: an open network
    [broker]
    host = "new.example"            # with a certificate of the authority that the node knows
    port = 8883
    user = "nodes"
    password = "..."

Everything may be left out; what is not there stays as it is.
"""

from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hadeda.city.settings import load
from hadeda.envelope import labels
from hadeda.errors import CityError

SSID_MAX: Final = 32  # bytes (IEEE 802.11)
PASSPHRASE: Final = range(8, 64)


def _sized(text: str, sizes: range) -> str:
    if len(text.encode()) not in sizes:
        raise ValueError(f"is not {sizes.start} to {sizes.stop - 1} bytes long")
    return text


def _passphrase(text: str) -> str:
    return _sized(text, PASSPHRASE) if text else text


Ssid = Annotated[str, AfterValidator(lambda text: _sized(text, range(1, SSID_MAX + 1)))]
Text = Annotated[str, AfterValidator(lambda text: _sized(text, range(1, labels.SET_NETWORK_TEXT_MAX + 1)))]


class NewWifi(BaseModel):
    """Another Wi-Fi, or another password of the same."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ssid: Ssid | None = None
    password: Annotated[str, AfterValidator(_passphrase)] | None = Field(default=None, repr=False)


class NewBroker(BaseModel):
    """Another broker, or another login at the same."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: Text | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    user: Text | None = None
    password: Text | None = Field(default=None, repr=False)


class NewNetwork(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    wifi: NewWifi = NewWifi()
    broker: NewBroker = NewBroker()


def read_network(path: Path) -> dict[int, Any]:
    """The arguments of set-network that a file stands for; raises CityError that names file and key, not the value."""
    network = load(path, NewNetwork)
    if network.wifi.ssid is not None and network.wifi.password is None:
        raise CityError(f"{path} names a Wi-Fi and no password", 'write password = "" for an open network')
    values = {
        labels.SET_NETWORK_SSID: network.wifi.ssid,
        labels.SET_NETWORK_WIFI_PASSWORD: network.wifi.password,
        labels.SET_NETWORK_HOST: network.broker.host,
        labels.SET_NETWORK_PORT: network.broker.port,
        labels.SET_NETWORK_USER: network.broker.user,
        labels.SET_NETWORK_PASSWORD: network.broker.password,
    }
    arguments = {label: value for label, value in values.items() if value is not None}
    if not arguments:
        raise CityError(f"{path} changes nothing", "write [wifi] or [broker] into it")
    return arguments
