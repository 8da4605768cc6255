"""A configuration as the host renders it."""


def good():
    return {
        "board": "esp32-s3-devkitc-1",
        "version": 3,
        "wifi": {"ssid": "city", "password": "secret"},
        "broker": {
            "host": "broker",
            "port": 8883,
            "user": "u",
            "password": "p",
            "ca": b"der",
            "topic": "hadeda/up",
            "down": "hadeda/down",
        },
        "ntp": "",
        "authorities": {role: b"\x04" + bytes((role,)) * 64 for role in range(1, 6)},
        "buses": {
            "i2c0": {"kind": "i2c", "id": 0, "scl": 9, "sda": 8, "freq": 100000},
            "uart1": {"kind": "uart", "id": 1, "tx": 17, "rx": 18, "baudrate": 9600},
            "uart2": {"kind": "uart", "id": 2, "tx": 15, "rx": 16, "baudrate": 115200},
        },
        "sensors": [
            {"part": "bme280", "bus": "i2c0", "address": 118, "period_s": 10},
            {"part": "pms5003", "bus": "uart1", "period_s": 10},
            {"part": "ld2451", "bus": "uart2", "period_s": 0},
        ],
        "floor": b"floor",
        "policy": b"policy",
    }
