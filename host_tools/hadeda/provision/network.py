"""What a node needs to reach the city: its Wi-Fi, the broker, a time server. Checked here, before a node is touched."""

from dataclasses import dataclass, field

from hadeda.errors import ProvisionError

UP_TOPIC = "hadeda/up"
DOWN_PREFIX = "hadeda/down"  # a node's letters stand below it, at its kid


def _require(fine: bool, message: str, hint: str) -> None:
    if not fine:
        raise ProvisionError(message, hint)


def _is_topic(text: str) -> bool:
    return bool(text) and not set(text) & {"+", "#", "\0"} and not text.startswith("$")


@dataclass(frozen=True)
class Wifi:
    """A WPA2 network (IEEE 802.11: an SSID is 1 to 32 bytes, a passphrase 8 to 63 characters), or an open one."""

    ssid: str
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        _require(
            1 <= len(self.ssid.encode()) <= 32,
            "the Wi-Fi's name is not 1 to 32 bytes long",
            "name the network in city.toml, [wifi] ssid",
        )
        fine = not self.password or 8 <= len(self.password.encode()) <= 63
        _require(fine, "the Wi-Fi's password is not 8 to 63 characters long", "leave it empty for an open network")


@dataclass(frozen=True)
class BrokerAccess:
    """The MQTT broker as a node reaches it. `ca` is the city's CA certificate in DER; without it, plain TCP."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    ca: bytes | None = field(default=None, repr=False)
    topic: str = UP_TOPIC
    down: str = DOWN_PREFIX

    def __post_init__(self) -> None:
        _require(bool(self.host.strip()), "the broker has no host", "name the broker's host")
        _require(1 <= self.port <= 65535, f"{self.port} is not a port", "1883 is usual, 8883 with TLS")
        hint = f"a topic has no wildcards, such as {UP_TOPIC}"
        _require(_is_topic(self.topic), f"nodes cannot publish to {self.topic!r}", hint)
        _require(_is_topic(self.down), f"nodes cannot listen below {self.down!r}", hint)
        fine = self.ca is None or self.ca.startswith(b"\x30")  # an ASN.1 SEQUENCE, which PEM is not
        _require(fine, "the CA certificate is not DER", "convert the PEM file to DER")


@dataclass(frozen=True)
class NodeNetwork:
    """All of it. `ntp` is the time server's host, or "" where the node's clock is set another way."""

    wifi: Wifi
    broker: BrokerAccess
    ntp: str = ""
