"""The node configuration rendered from the real boards: exactly what the node is written for."""

from typing import Any

import cbor2
import pytest

from hadeda.board import Board, load, names
from hadeda.board.render import node_config
from hadeda.errors import ProvisionError
from hadeda.provision.network import BrokerAccess, NodeNetwork, Wifi

AUTHORITIES = {role: b"\x04" + bytes([role]) * 64 for role in range(1, 6)}
NETWORK = NodeNetwork(Wifi("street", "lamp post"), BrokerAccess("broker.city", 8883, "city", "secret", b"\x30\x00"))


def test_the_whole_configuration_of_the_s3_board() -> None:
    assert node_config(load("esp32-s3-devkitc-1"), NETWORK, AUTHORITIES) == {
        "board": "esp32-s3-devkitc-1",
        "version": 2,
        "wifi": {"ssid": "street", "password": "lamp post"},
        "broker": {
            "host": "broker.city",
            "port": 8883,
            "user": "city",
            "password": "secret",
            "ca": b"\x30\x00",
            "topic": "hadeda/up",
            "down": "hadeda/down",
        },
        "ntp": "",
        "window_s": 900,
        "authorities": AUTHORITIES,
        "buses": {
            "i2c0": {"kind": "i2c", "id": 0, "scl": 9, "sda": 8, "freq": 100_000},
            "uart1": {"kind": "uart", "id": 1, "tx": 17, "rx": 18, "baudrate": 9600},
            "uart2": {"kind": "uart", "id": 2, "tx": 4, "rx": 5, "baudrate": 115_200},
        },
        "sensors": [
            {"part": "bme280", "bus": "i2c0", "address": 0x76, "period_s": 10},
            {"part": "pms5003", "bus": "uart1", "period_s": 10},
            {"part": "ld2451", "bus": "uart2", "period_s": 0},
        ],
        "cells": {
            "classes": ["vehicle"],
            "directions": ["approaching", "receding"],
            "speed_bands_kmh": [30, 50, 70],
        },
        "led": {"kind": "neopixel", "pin": 38},
    }


@pytest.mark.parametrize("name", names())
def test_every_boards_configuration_survives_cbor(name: str) -> None:
    config = node_config(load(name), NETWORK, AUTHORITIES, window_s=300)
    assert cbor2.loads(cbor2.dumps(config, canonical=True)) == config


def test_plain_tcp_has_no_ca() -> None:
    network = NodeNetwork(Wifi("street"), BrokerAccess("10.0.0.1", 1883), ntp="pool.ntp.org")
    config = node_config(load("esp32-devkitc-v4"), network, AUTHORITIES)
    assert "ca" not in config["broker"]
    assert config["ntp"] == "pool.ntp.org"
    assert config["wifi"] == {"ssid": "street", "password": ""}


@pytest.mark.parametrize("key", [b"", AUTHORITIES[3][:-1], b"\x02" + AUTHORITIES[3][1:]])
def test_another_key_than_an_uncompressed_point_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="uncompressed P-256 point"):
        node_config(load("esp32-devkitc-v4"), NETWORK, AUTHORITIES | {3: key})


@pytest.mark.parametrize("roles", [(), (1, 2, 3, 4), (1, 2, 3, 4, 5, 6)])
def test_a_node_is_told_a_key_for_every_role_and_no_other(roles: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="each of the city's roles"):
        node_config(load("esp32-devkitc-v4"), NETWORK, dict.fromkeys(roles, AUTHORITIES[1]))


def test_a_board_without_a_lamp_has_none_in_its_configuration() -> None:
    assert "led" not in node_config(load("esp32-devkitc-v4").model_copy(update={"led": None}), NETWORK, AUTHORITIES)


@pytest.mark.parametrize("window_s", [0, 59, 61, 86401, -900])
def test_a_window_that_does_not_divide_a_day_is_refused(window_s: int) -> None:
    with pytest.raises(ValueError, match="divides a day"):
        node_config(load("esp32-devkitc-v4"), NETWORK, AUTHORITIES, window_s)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Wifi(""), "Wi-Fi's name"),
        (lambda: Wifi("x" * 33), "Wi-Fi's name"),
        (lambda: Wifi("street", "short"), "Wi-Fi's password"),
        (lambda: BrokerAccess(" ", 1883), "no host"),
        (lambda: BrokerAccess("broker", 0), "0 is not a port"),
        (lambda: BrokerAccess("broker", 1883, topic="hadeda/#"), "cannot publish"),
        (lambda: BrokerAccess("broker", 1883, down="$share/x"), "cannot listen"),
        (lambda: BrokerAccess("broker", 8883, ca=b"-----BEGIN"), "not DER"),
    ],
)
def test_a_network_no_node_could_use_is_refused(make: Any, words: str) -> None:
    with pytest.raises(ProvisionError, match=words):
        make()


def test_secrets_are_not_in_the_text_of_a_network() -> None:
    assert "secret" not in repr(NETWORK)
    assert "lamp post" not in repr(NETWORK)


@pytest.mark.parametrize("name", ["esp32-devkitc-v4", "esp32-s3-devkitc-1"])
def test_the_boards_are_what_the_first_node_needs(name: str) -> None:
    board: Board = load(name)
    assert {sensor.part for sensor in board.sensors} == {"bme280", "pms5003", "ld2451"}
    assert all(board.header_of(pin) for bus in board.buses.values() for pin, _drives in bus.pins().values())
