"""/config.cbor as it may be on a worn flash: a configuration that can be right, Unprovisioned or ConfigError."""

from firmware.fakes import Flash
from firmware.node_config import good

from envelope import cbor
from node import config
from node.errors import ConfigError, Unprovisioned


def one_input(data):
    flash = Flash()
    flash.files[config.PATH] = data
    taken = False
    for read in (config.load, config.salvage):
        try:
            read(flash)
            taken = True
        except (ConfigError, Unprovisioned):
            pass
    return taken


def seeds():
    whole = good()
    lamp = good()
    lamp["led"] = {"kind": "neopixel", "pin": 48}
    lamp["sensors"] = [{"part": "ble_footfall", "period_s": 0}, {"part": "x", "bus": "uart1", "period_s": 1,
                                                                 "classes": ["car"]}]  # fmt: skip
    return [cbor.encode(whole), cbor.encode(lamp)]
