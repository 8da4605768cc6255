"""Boot: put the node together from its configuration and run it; unprovisioned, hand the board to the REPL."""

import asyncio

from micropython import const

import sensors
from node import combs, health
from node.commands import Commands
from node.errors import NodeError, Unprovisioned
from node.keychain import Keychain
from node.keystore import open_keystore
from node.ledger import Ledger
from node.letters import DOWN_PREFIX, Mailbox
from node.minimise import Minimiser
from node.pipeline import Pipeline
from node.policy import in_force, least_window_s
from node.randomness import Randomness
from node.report import Owed
from node.sample import Sampler
from node.seal import Sealer
from node.seldom import seldom
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
    clock = Clock()
    config = _configuration(files)
    power.collect_every(_GARBAGE_BYTES)
    try:
        pipeline = build(config, files, clock)
        del config  # the stages have what they need of it
        await pipeline.sender.synchronise()
        pipeline.watchdog.feed()
        print(f"hadeda: running, {pipeline.store.waiting} reports waiting")
        await pipeline.run()
    except (NodeError, asyncio.CancelledError):
        raise
    except Exception as error:  # a node on a lamp post starts again rather than stopping
        print("hadeda: starting again after:", repr(error))
        power.Watchdog()  # it may not have come to that
        await clock.sleep_ms(_PAUSE_BEFORE_RESET_MS)
        power.reset()


def _configuration(files: Files) -> "Any":
    with seldom("node.config") as configuration:
        return configuration.load(files)


def build(config: "Any", files: Files, clock: Clock) -> Pipeline:
    """Wire the stages. Everything from ports/ enters here and nowhere else. Unprovisioned without an identity."""
    nvs = Nvs()
    keystore = open_keystore(files, KeyPartition.find())
    keychain = Keychain(keystore, nvs, power.Retained())
    randomness = Randomness(nvs, entropy.noise, power.serial())
    store = Store(files, nvs)
    radio = Radio(config["wifi"]["ssid"], config["wifi"]["password"], clock)
    time_sync = TimeSync(clock, radio, config["ntp"], randomness)
    window_s, broker = least_window_s(in_force(keychain.secrets)), config["broker"]
    owed = Owed()
    led = open_led(config.get("led"), clock)
    commands = Commands(keychain, owed, randomness.drbg, led, power.reset, lambda public: combs.read(files, public))
    mailbox = Mailbox(
        keychain,
        commands,
        owed,
        randomness.drbg,
        broker.get("down", DOWN_PREFIX),
        lambda public: combs.read(files, public),
        store.forget,
    )
    sampler, minimiser = _sensing(config, clock)
    pipeline = Pipeline(
        clock,
        power.Watchdog(),
        time_sync,
        Timetable(clock, window_s),
        health.Health(power, keystore.kind, health.count_boot(nvs)),
        sampler,
        minimiser,
        Sealer(keychain, randomness),
        store,
        Sender(clock, radio, broker, store, time_sync, randomness, mailbox, window_s),
        keychain,
        owed,
        Ledger(nvs, keychain),
        randomness.drbg,
    )
    commands.report_now = pipeline.report_now
    return pipeline


def _sensing(config: "Any", clock: Clock) -> "tuple[Sampler, Minimiser]":
    buses = {name: open_bus(entry, clock) for name, entry in config["buses"].items()}
    drivers = [sensors.open_sensor(entry, buses, clock) for entry in config["sensors"]]
    parts = [sensors.part(entry) for entry in config["sensors"]]
    sources = [part.get("source", 0) for part in parts]
    traffic = {}
    radio = -1
    for index, part in enumerate(parts):
        if part["kind"] == "radio":
            radio = index
        if part["kind"] == "traffic":
            classes = config["sensors"][index].get("classes", part.get("classes", ()))
            traffic[index] = sources[index], tuple(classes)
    return Sampler(drivers, sources, clock), Minimiser(None, len(parts), traffic, radio)
