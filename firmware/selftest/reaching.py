"""How the node reaches its city: Wi-Fi, time server, broker, each by the node's own code. Nothing is published."""

import asyncio
import json

from micropython import const
from network import STA_IF, WLAN

from node import config as configuration
from node import keystore, mqtt, network, sntp
from node.errors import ProtocolError
from node.randomness import Randomness
from ports import entropy, power
from ports.clock import Clock
from ports.flash import Files, KeyPartition, Nvs
from ports.radio import Radio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_STEP_MS = const(10000)
_KEEP_ALIVE_S = const(60)


def tell() -> None:
    """Print {"wifi", "level_dbm", "ntp_ms", "unix_ms", "since_ms", "broker", "failed", "errno"}.

    `wifi` is network.STAT_*, 0 when joined; `ntp_ms` and `unix_ms` are of one moment, `since_ms` before the end;
    `ntp_ms` is null when nobody answered. `broker` tells what went wrong: "connect", "login", "answer", or "" for
    nothing; `failed` and `errno` with what.
    """
    files = Files()
    config = configuration.load(files)
    secrets = keystore.open_keystore(files, KeyPartition.find()).load()
    wifi, broker = network.changed(secrets.network or {}, config["wifi"], config["broker"])
    randomness = Randomness(Nvs(), entropy.noise, power.serial())
    print("SELFTEST", json.dumps(asyncio.run(_reach(wifi, broker, config["ntp"], randomness))))


async def _reach(
    wifi: "dict[str, Any]", broker: "dict[str, Any]", ntp: str, randomness: Randomness
) -> "dict[str, Any]":
    clock = Clock()
    radio = Radio(clock)
    said: dict[str, Any] = {
        "wifi": 0,
        "level_dbm": None,
        "ntp_ms": None,
        "broker": "connect",
        "failed": "",
        "errno": None,
    }
    looked = clock.ticks_ms()
    said["unix_ms"] = clock.unix_ms()
    try:
        try:
            await radio.up(wifi["ssid"], wifi["password"])
        except OSError:
            said["wifi"] = WLAN(STA_IF).status()
            return said
        said["level_dbm"] = _level_dbm()
        if ntp:
            said["ntp_ms"] = await sntp.ask(clock, radio, ntp, randomness)
            looked = clock.ticks_ms()
            said["unix_ms"] = clock.unix_ms()
        await _call(clock, radio, broker, said)
    finally:
        radio.down()
        said["since_ms"] = clock.ticks_diff(clock.ticks_ms(), looked)
    return said


def _level_dbm() -> "int | None":
    try:
        return WLAN(STA_IF).status("rssi")
    except (OSError, ValueError):
        return None


async def _call(clock: Clock, radio: Radio, broker: "dict[str, Any]", said: "dict[str, Any]") -> None:
    """One session with the broker, as the sender has them, without a message."""
    try:
        stream = await clock.within_ms(radio.connect(broker["host"], broker["port"], broker.get("ca")), _STEP_MS)
        try:
            client = mqtt.Client(stream)
            await clock.within_ms(client.connect(broker.get("user"), broker.get("password"), _KEEP_ALIVE_S), _STEP_MS)
            said["broker"] = "answer"
            await clock.within_ms(client.ping(), _STEP_MS)
            said["broker"] = ""
            await clock.within_ms(client.disconnect(), _STEP_MS)
        finally:
            await clock.within_ms(stream.close(), _STEP_MS)
    except ProtocolError as error:
        said["broker"] = "login" if said["broker"] == "connect" else said["broker"]
        said["failed"] = str(error)
    except Exception as error:  # whatever TLS raises, out of memory included
        said["failed"] = repr(error)
        said["errno"] = getattr(error, "errno", None)
