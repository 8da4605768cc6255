"""Reads /config.cbor, which the host renders from board.toml, and says clearly what is wrong with it."""

from envelope import cbor
from envelope.errors import CborError
from envelope.labels import PUBLIC_KEY_SIZE, ROLES
from node.errors import ConfigError, Unprovisioned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ports.flash import Files

PATH = "/config.cbor"
VERSION = 3
RADIOS = ("ble_footfall",)  # parts without a bus: the chip's own

# key -> (type, required) of each map; anything else in it is an error
_TOP = {
    "board": (str, True),
    "version": (int, True),
    "wifi": (dict, True),
    "broker": (dict, True),
    "ntp": (str, True),
    "authorities": (dict, True),
    "buses": (dict, True),
    "sensors": (list, True),
    "floor": (bytes, True),
    "policy": (bytes, True),
    "led": (dict, False),
    "identity": (dict, False),  # the chip that has the identity key, where one has
    "radio_every": (int, False),  # windows: such a node sleeps deeply between samples
}
_WIFI = {"ssid": (str, True), "password": (str, True)}
_BROKER = {
    "host": (str, True),
    "port": (int, True),
    "user": (str, False),
    "password": (str, False),
    "ca": (bytes, False),
    "topic": (str, True),
    "down": (str, False),
}
_I2C = {"kind": (str, True), "id": (int, True), "scl": (int, True), "sda": (int, True), "freq": (int, True)}
_UART = {"kind": (str, True), "id": (int, True), "tx": (int, True), "rx": (int, True), "baudrate": (int, True)}
_GPIO = {"kind": (str, True), "pin": (int, True), "pull": (str, True)}
_BUSES = {"i2c": _I2C, "uart": _UART, "gpio": _GPIO}
_SENSOR = {
    "part": (str, True),
    "bus": (str, False),
    "address": (int, False),
    "period_s": (int, True),
    "classes": (list, False),
}
_IDENTITY = {"part": (str, True), "id": (int, True), "scl": (int, True), "sda": (int, True)}
_LED = {"kind": (str, True), "pin": (int, True)}


def load(files: "Files") -> "dict[str, Any]":
    """Return the checked configuration. Unprovisioned when there is none, ConfigError when it cannot be right."""
    data = files.read(PATH)
    if data is None:
        raise Unprovisioned("no " + PATH)
    try:
        config: Any = cbor.decode(data)
    except CborError as error:
        raise ConfigError(f"{PATH} is not CBOR: {error}")
    return check(config)


def salvage(files: "Files") -> "dict[str, Any]":
    """What a damaged configuration has that leads to the city, and no sensors. ConfigError when it has not that."""
    try:
        config: Any = cbor.decode(files.read(PATH) or b"")
    except CborError as error:
        raise ConfigError(f"{PATH} is not CBOR: {error}")
    _check_type("config", config, dict)
    saved = {name: config.get(name) for name in ("wifi", "broker")}
    _check_map("wifi", saved["wifi"], _WIFI)
    _check_map("broker", saved["broker"], _BROKER)
    _check_range("broker.port", saved["broker"]["port"], 1, 65535)
    saved.update({"ntp": config["ntp"] if isinstance(config.get("ntp"), str) else "", "buses": {}, "sensors": []})
    return saved


def check(config: "dict[str, Any]") -> "dict[str, Any]":
    """Return the configuration if it can be right, else raise ConfigError naming the key."""
    _check_map("config", config, _TOP)
    if config["version"] != VERSION:
        raise ConfigError(f"config.version is {config['version']}, this firmware reads {VERSION}")
    _check_map("wifi", config["wifi"], _WIFI)
    _check_map("broker", config["broker"], _BROKER)
    _check_range("broker.port", config["broker"]["port"], 1, 65535)
    _check_authorities(config["authorities"])
    for name, bus in config["buses"].items():
        _check_type(f"name {name!r} of buses", name, str)
        _check_bus("buses." + name, bus)
    if not config["sensors"]:
        raise ConfigError("sensors is empty")
    for index, sensor in enumerate(config["sensors"]):
        _check_sensor(f"sensors[{index}]", sensor, config["buses"])
    _check_range("radio_every", config.get("radio_every", 1), 1, 96)
    if "identity" in config:
        _check_map("identity", config["identity"], _IDENTITY)
    if "led" in config:
        _check_led(config["led"])
    return config


def _check_map(where: str, value: "Any", keys: "Mapping[str, tuple[type, bool]]") -> None:
    _check_type(where, value, dict)
    for key in value:
        if key not in keys:
            raise ConfigError(f"{where} has an unknown key {key!r}")
    for key in sorted(keys):
        kind, required = keys[key]
        if key in value:
            _check_type(where + "." + key, value[key], kind)
        elif required:
            raise ConfigError(f"{where} lacks {key!r}")


def _check_type(where: str, value: "Any", kind: type) -> None:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ConfigError(f"{where} is not of type {kind.__name__}")


def _check_range(where: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{where} is {value}, not between {low} and {high}")


def _check_authorities(authorities: "dict[Any, Any]") -> None:
    for role in authorities:
        if role not in ROLES:
            raise ConfigError(f"authorities has an unknown role {role!r}")
    for role in ROLES:
        public = authorities.get(role)
        if not isinstance(public, bytes) or len(public) != PUBLIC_KEY_SIZE or public[0] != 4:
            raise ConfigError(f"authorities lacks role {role}, or it is not a point of {PUBLIC_KEY_SIZE} bytes")


def _check_led(led: "Any") -> None:
    _check_map("led", led, _LED)
    if led["kind"] not in ("gpio", "neopixel"):
        raise ConfigError("led.kind is {!r}, not gpio or neopixel".format(led["kind"]))


def _check_bus(where: str, bus: "Any") -> None:
    _check_type(where, bus, dict)
    kind = bus.get("kind")
    if kind not in _BUSES:
        raise ConfigError(f"{where}.kind is {kind!r}, not one of i2c, uart and gpio")
    _check_map(where, bus, _BUSES[kind])
    if bus.get("pull", "internal") not in ("internal", "external"):
        raise ConfigError(f"{where}.pull is {bus['pull']!r}, not internal or external")


def _check_sensor(where: str, sensor: "Any", buses: "dict[str, Any]") -> None:
    _check_map(where, sensor, _SENSOR)
    bus = sensor.get("bus")
    if bus is None and sensor["part"] not in RADIOS:
        raise ConfigError(f"{where} lacks 'bus'")
    if bus is not None and (bus not in buses or sensor["part"] in RADIOS):
        raise ConfigError(f"{where}.bus {bus!r} is not among buses")
    if bus is not None and buses[bus]["kind"] == "i2c":
        _check_range(where + ".address", sensor.get("address", -1), 0x08, 0x77)
    _check_range(where + ".period_s", sensor["period_s"], 0, 3600)
    for name in sensor.get("classes", ()):
        _check_type(where + ".classes", name, str)
