"""The node configuration rendered from the real boards: exactly what the node is written for."""

from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sealing import PROFILE, cose_thumbprint, dumps, floor_map, point, policy_map, sign1

from hadeda.board import Board, load, names
from hadeda.board.render import node_config
from hadeda.errors import PolicyError, ProvisionError
from hadeda.provision.network import BrokerAccess, NodeNetwork, Wifi

POLICY_KEY = ec.generate_private_key(ec.SECP256R1())
AUTHORITIES = {role: b"\x04" + bytes([role]) * 64 for role in range(1, 6)} | {4: point(POLICY_KEY)}
POLICY = sign1(POLICY_KEY, dumps(policy_map(cose_thumbprint(point(POLICY_KEY)))), dumps([PROFILE, "policy"]))
FLOOR = dumps(floor_map())
NETWORK = NodeNetwork(Wifi("street", "lamp post"), BrokerAccess("broker.city", 8883, "city", "secret", b"\x30\x00"))


def test_the_whole_configuration_of_the_s3_board() -> None:
    assert node_config(load("esp32-s3-devkitc-1"), NETWORK, AUTHORITIES, POLICY, FLOOR) == {
        "board": "esp32-s3-devkitc-1",
        "version": 3,
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
        "floor": FLOOR,
        "policy": POLICY,
        "led": {"kind": "neopixel", "pin": 38},
    }


@pytest.mark.parametrize("name", names())
def test_every_boards_configuration_survives_cbor(name: str) -> None:
    config = node_config(load(name), NETWORK, AUTHORITIES, POLICY, FLOOR)
    assert cbor2.loads(cbor2.dumps(config, canonical=True)) == config


def test_plain_tcp_has_no_ca() -> None:
    network = NodeNetwork(Wifi("street"), BrokerAccess("10.0.0.1", 1883), ntp="pool.ntp.org")
    config = node_config(load("esp32-devkitc-v4"), network, AUTHORITIES, POLICY, FLOOR)
    assert "ca" not in config["broker"]
    assert config["ntp"] == "pool.ntp.org"
    assert config["wifi"] == {"ssid": "street", "password": ""}


@pytest.mark.parametrize(
    "key", [b"", AUTHORITIES[3][:-1], b"\x02" + AUTHORITIES[3][1:]], ids=["none", "short", "compressed"]
)
def test_another_key_than_an_uncompressed_point_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="uncompressed P-256 point"):
        node_config(load("esp32-devkitc-v4"), NETWORK, AUTHORITIES | {3: key}, POLICY, FLOOR)


@pytest.mark.parametrize("roles", [(), (1, 2, 3, 4), (1, 2, 3, 4, 5, 6)])
def test_a_node_is_told_a_key_for_every_role_and_no_other(roles: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="each of the city's roles"):
        node_config(load("esp32-devkitc-v4"), NETWORK, dict.fromkeys(roles, AUTHORITIES[1]), POLICY, FLOOR)


def test_a_board_without_a_lamp_has_none_in_its_configuration() -> None:
    assert "led" not in node_config(
        load("esp32-devkitc-v4").model_copy(update={"led": None}), NETWORK, AUTHORITIES, POLICY, FLOOR
    )


@pytest.mark.parametrize(
    ("policy", "floor", "words"),
    [
        (b"", FLOOR, "signature is not accepted"),
        (POLICY[:-1] + bytes((POLICY[-1] ^ 1,)), FLOOR, "signature is not accepted"),
        (POLICY, b"", "not a compiled floor"),
        (POLICY, dumps(floor_map(f1=3600)), "900 s is below the floor's 3600 s"),
        (POLICY, dumps(floor_map(f2=6)), "k 5 is below the floor's 6"),
        (POLICY, dumps(floor_map(f3=499_999)), "0.5 is above the floor's 0.499999"),
        (POLICY, dumps(floor_map(f4=1_000_000)), "48 is above the floor's 1"),
        (POLICY, dumps(floor_map(f5=[5])), "'pm2_5' is never allowed"),
    ],
    ids=["unsigned", "changed", "no floor", "window", "k", "release", "day", "channel"],
)
def test_what_the_node_would_refuse_is_not_sent_to_it(policy: bytes, floor: bytes, words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        node_config(load("esp32-devkitc-v4"), NETWORK, AUTHORITIES, policy, floor)


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


def test_a_plain_input_is_a_pin_and_who_pulls_it() -> None:
    config = node_config(load("esp32-devkitc-v4-loop"), NETWORK, AUTHORITIES, POLICY, FLOOR)
    assert config["buses"]["loop"] == {"kind": "gpio", "pin": 34, "pull": "external"}
    assert config["sensors"][1] == {"part": "td136", "bus": "loop", "period_s": 0}
