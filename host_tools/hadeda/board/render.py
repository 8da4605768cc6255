"""The node's configuration, rendered from a board and the city's network at provisioning.

The node reads it from /config.cbor and never sees TOML. Keys and shapes are the node's contract; what a table of
board.toml is called for people (`freq_hz`, `baud`) and what `machine` calls it (`freq`, `baudrate`) meet here.
"""

from collections.abc import Mapping
from typing import Any

from hadeda.board.parts import load_parts
from hadeda.board.rules import counted
from hadeda.board.schema import Board, Bus, I2cBus, Sensor
from hadeda.envelope import labels
from hadeda.provision.network import NodeNetwork

CONFIG_VERSION = 2
WINDOW_S = 900
WINDOW_MIN_S = 60

# The traffic cells a node counts without a policy: three edges make four speed bands, where speeds are measured.
DIRECTIONS = ("approaching", "receding")
SPEED_BANDS_KMH = (30, 50, 70)


def node_config(
    board: Board, network: NodeNetwork, authorities: Mapping[int, bytes], window_s: int = WINDOW_S
) -> dict[str, Any]:
    """The configuration map; made only of what CBOR has types for.

    `authorities` are the city's P-256 keys by role, all of `labels.ROLES`, each as 65 bytes, 04||x||y. Raises
    `ValueError` for other keys or a window that does not divide a day.
    """
    if sorted(authorities) != sorted(labels.ROLES):
        raise ValueError("a node is told one key for each of the city's roles")
    if any(len(public) != labels.PUBLIC_KEY_SIZE or public[0] != 4 for public in authorities.values()):
        raise ValueError("a public key of the city is an uncompressed P-256 point of 65 bytes")
    if window_s < WINDOW_MIN_S or 86400 % window_s:
        raise ValueError(f"a window has at least {WINDOW_MIN_S} s and divides a day, {window_s} s does not")
    config: dict[str, Any] = {
        "board": board.name,
        "version": CONFIG_VERSION,
        "wifi": {"ssid": network.wifi.ssid, "password": network.wifi.password},
        "broker": _broker(network),
        "ntp": network.ntp,
        "window_s": window_s,
        "authorities": {role: bytes(authorities[role]) for role in labels.ROLES},
        "buses": {name: _bus(bus) for name, bus in board.buses.items()},
        "sensors": [_sensor(sensor) for sensor in board.sensors],
        "cells": _cells(board),
    }
    if board.led is not None:
        config["led"] = {"kind": board.led.kind, "pin": board.led.pin}
    return config


def _cells(board: Board) -> dict[str, Any]:
    """One class for each road user a sensor counts; speed bands if one of these sensors measures speeds."""
    parts = load_parts()
    counting = [(sensor, parts[sensor.part]) for sensor in board.sensors if parts[sensor.part].classes]
    return {
        "classes": [name for sensor, row in counting for name in counted(sensor, row)],
        "directions": list(DIRECTIONS),
        "speed_bands_kmh": list(SPEED_BANDS_KMH) if any(row.speeds for _, row in counting) else [],
    }


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
    if isinstance(bus, I2cBus):
        return {"kind": bus.kind, "id": bus.id, "scl": bus.scl, "sda": bus.sda, "freq": bus.freq_hz}
    return {"kind": bus.kind, "id": bus.id, "tx": bus.tx, "rx": bus.rx, "baudrate": bus.baud}


def _sensor(sensor: Sensor) -> dict[str, Any]:
    entry = sensor.model_dump(exclude_none=True)
    if sensor.classes is not None:
        entry["classes"] = list(sensor.classes)
    return entry
