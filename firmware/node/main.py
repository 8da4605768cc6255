"""Boot: put the node together from its configuration and run it; unprovisioned, hand the board to the REPL."""

import asyncio
import sys

from micropython import const

import node
import sensors
from node import health
from node.commands import Commands
from node.errors import NodeError, Unprovisioned
from node.keychain import Keychain
from node.keystore import open_keystore
from node.letters import DOWN_PREFIX, Mailbox
from node.minimise import Minimiser
from node.pipeline import Pipeline
from node.randomness import Randomness
from node.report import Owed
from node.sample import Sampler
from node.seal import Sealer
from node.send import Sender
from node.store import Store
from node.time_sync import TimeSync
from node.window import Timetable
from ports import entropy, power
from ports.bus import open_bus
from ports.clock import Clock
from ports.flash import Files, KeyPartition, Nvs
from ports.led import open_led
from ports.radio import Radio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PAUSE_BEFORE_RESET_MS = const(10000)
_GARBAGE_BYTES = const(8192)


def start() -> None:
    """Run the node until somebody at the REPL interrupts it. Ctrl-C keeps the watchdog quiet for them."""
    try:
        asyncio.run(_run())
    except Unprovisioned as error:
        print(f"hadeda: not provisioned ({error}), waiting at the REPL")
    except NodeError as error:
        print("hadeda: stopped:", error)
    except KeyboardInterrupt:
        if power.Watchdog.started:
            power.hold()
        print("hadeda: interrupted")
    finally:
        asyncio.new_event_loop()


async def _run() -> None:
    files = Files()
    config = _configuration(files)
    clock = Clock()
    power.collect_every(_GARBAGE_BYTES)
    try:
        pipeline = build(config, files, clock)
        del config  # the stages have what they need of it
        print(f"hadeda: running, {pipeline.store.waiting} reports waiting")
        await pipeline.sender.synchronise()
        pipeline.watchdog.feed()
        await pipeline.run()
    except (NodeError, asyncio.CancelledError):
        raise
    except Exception as error:  # a node on a lamp post starts again rather than stopping
        print("hadeda: starting again after:", repr(error))
        power.Watchdog()  # it may not have come to that
        await clock.sleep_ms(_PAUSE_BEFORE_RESET_MS)
        power.reset()


def _configuration(files: Files) -> "Any":
    """The configuration. The code that reads it goes again: opening a letter needs those 5 KB of heap."""
    from node import config

    read = config.load(files)
    del sys.modules["node.config"]
    del node.config
    return read


def build(config: "Any", files: Files, clock: Clock) -> Pipeline:
    """Wire the stages. Everything from ports/ enters here and nowhere else. Unprovisioned without an identity."""
    nvs = Nvs()
    keystore = open_keystore(files, KeyPartition.find())
    keychain = Keychain(keystore, nvs, power.Retained())
    randomness = Randomness(nvs, entropy.noise, power.serial())
    store = Store(files)
    radio = Radio(config["wifi"]["ssid"], config["wifi"]["password"], clock)
    time_sync = TimeSync(clock, radio, config["ntp"], randomness)
    window_s, broker = config["window_s"], config["broker"]
    owed = Owed()
    commands = Commands(keychain, owed, randomness.drbg, window_s, open_led(config.get("led"), clock), power.reset)
    mailbox = Mailbox(keychain, commands, owed, randomness.drbg, broker.get("down", DOWN_PREFIX))
    sampler, minimiser = _sensing(config, clock)
    pipeline = Pipeline(
        clock,
        power.Watchdog(),
        time_sync,
        Timetable(clock, window_s),
        health.Health(power, store, keystore.kind, health.count_boot(nvs)),
        sampler,
        minimiser,
        Sealer(keychain, randomness),
        store,
        Sender(clock, radio, broker, store, time_sync, randomness, mailbox, window_s),
        keychain,
        owed,
        window_s,
    )
    commands.report_now = pipeline.report_now
    return pipeline


def _sensing(config: "Any", clock: Clock) -> "tuple[Sampler, Minimiser]":
    buses = {name: open_bus(entry, clock) for name, entry in config["buses"].items()}
    drivers = [sensors.open_sensor(entry, buses, clock) for entry in config["sensors"]]
    parts = [sensors.part(entry["part"]) for entry in config["sensors"]]
    channels = sorted({channel for part in parts for channel in part["channels"]})
    traffic = {index for index, part in enumerate(parts) if part["kind"] == "traffic"}
    return Sampler(drivers, config["cells"], clock), Minimiser(tuple(channels), config["cells"], len(parts), traffic)
