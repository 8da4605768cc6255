"""The node's configuration, rendered from a board and the city's network at provisioning.

The node reads it from /config.cbor and never sees TOML. Keys and shapes are the node's contract; what a table of
board.toml is called for people (`freq_hz`, `baud`) and what `machine` calls it (`freq`, `baudrate`) meet here.
"""

from collections.abc import Mapping
from typing import Any

from hadeda.board.schema import Board, Bus, Sensor
from hadeda.envelope import labels
from hadeda.policy.compiled import decompile_floor
from hadeda.policy.floors import require_kept
from hadeda.policy.signing import verify_policy
from hadeda.provision.network import NodeNetwork

CONFIG_VERSION = 3
MACHINE_NAMES = {"freq_hz": "freq", "baud": "baudrate"}


def node_config(
    board: Board, network: NodeNetwork, authorities: Mapping[int, bytes], policy: bytes, floor: bytes
) -> dict[str, Any]:
    """The configuration map; made only of what CBOR has types for.

    `authorities` are the city's P-256 keys by role, all of `labels.ROLES`, each as 65 bytes, 04||x||y; `policy` is
    the COSE_Sign1 by the policy key among them, `floor` the floor's CBOR. Raises `ValueError` for other keys and
    `PolicyError` for a policy or a floor that the node would not take.
    """
    if sorted(authorities) != sorted(labels.ROLES):
        raise ValueError("a node is told one key for each of the city's roles")
    if any(len(public) != labels.PUBLIC_KEY_SIZE or public[0] != 4 for public in authorities.values()):
        raise ValueError("a public key of the city is an uncompressed P-256 point of 65 bytes")
    require_kept(
        verify_policy(policy, authorities[labels.ROLE_POLICY]), decompile_floor(floor), "sign one that keeps it"
    )
    config: dict[str, Any] = {
        "board": board.name,
        "version": CONFIG_VERSION,
        "wifi": {"ssid": network.wifi.ssid, "password": network.wifi.password},
        "broker": _broker(network),
        "ntp": network.ntp,
        "authorities": {role: bytes(authorities[role]) for role in labels.ROLES},
        "buses": {name: _bus(bus) for name, bus in board.buses.items()},
        "sensors": [_sensor(sensor) for sensor in board.sensors],
        "floor": floor,
        "policy": policy,
    }
    if board.led is not None:
        config["led"] = {"kind": board.led.kind, "pin": board.led.pin}
    if board.element is not None:
        config["identity"] = _element(board.element, board.buses[board.element.bus or ""])
    if board.sleep is not None:
        config["radio_every"] = board.sleep.radio_every
    return config


def _broker(network: NodeNetwork) -> dict[str, Any]:
    broker = network.broker
    access: dict[str, Any] = {
        "host": broker.host,
        "port": broker.port,
        "user": broker.user,
        "password": broker.password,
        "topic": broker.topic,
        "down": broker.down,
    }
    if broker.ca is not None:
        access["ca"] = broker.ca
    return access


def _bus(bus: Bus) -> dict[str, Any]:
    return {MACHINE_NAMES.get(key, key): value for key, value in bus.model_dump().items()}


def _element(element: Sensor, bus: Bus) -> dict[str, Any]:
    """What has the identity key, and where it is: kept with the key, for it must be found whatever else is lost."""
    return {"part": element.part, **{key: value for key, value in _bus(bus).items() if key in ("id", "scl", "sda")}}


def _sensor(sensor: Sensor) -> dict[str, Any]:
    entry = sensor.model_dump(exclude_none=True)
    if sensor.classes is not None:
        entry["classes"] = list(sensor.classes)
    return entry
