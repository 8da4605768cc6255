"""Boot: put the node together from its configuration and run it; unprovisioned, hand the board to the REPL."""

import asyncio

from micropython import const

import sensors
from envelope import keys
from node import config as configuration
from node import health, keystore
from node.counter import Counter
from node.errors import NodeError, Unprovisioned
from node.minimise import Minimiser
from node.pipeline import Pipeline
from node.randomness import Randomness
from node.sample import Sampler
from node.seal import Sealer
from node.send import Sender
from node.store import Store
from node.time_sync import TimeSync
from node.window import Timetable
from ports import entropy, power
from ports.bus import open_bus
from ports.clock import Clock
from ports.flash import Files, Nvs
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
    config = configuration.load(files)
    secrets = keystore.load(files)
    clock = Clock()
    power.collect_every(_GARBAGE_BYTES)
    pipeline = build(config, secrets, files, clock)
    print(f"hadeda: running, {pipeline.store.waiting} reports waiting")
    try:
        await pipeline.sender.synchronise()
        pipeline.watchdog.feed()
        await pipeline.run()
    except (NodeError, asyncio.CancelledError):
        raise
    except Exception as error:  # a node on a lamp post starts again rather than stopping
        print("hadeda: starting again after:", repr(error))
        await clock.sleep_ms(_PAUSE_BEFORE_RESET_MS)
        power.reset()


def build(config: "Any", secrets: "Any", files: Files, clock: Clock) -> Pipeline:
    """Wire the stages. Everything from ports/ enters here and nowhere else."""
    nvs = Nvs()
    randomness = Randomness(nvs, entropy.noise, power.serial())
    kid = keys.epoch(secrets.root, secrets.epoch).kid
    counter = Counter(nvs, power.Retained(), kid)
    store = Store(files)
    radio = Radio(config["wifi"]["ssid"], config["wifi"]["password"], clock)
    time_sync = TimeSync(clock, radio, config["ntp"], randomness)
    buses = {name: open_bus(entry, clock) for name, entry in config["buses"].items()}
    drivers = [sensors.open_sensor(entry, buses, clock) for entry in config["sensors"]]
    parts = [sensors.part(entry["part"]) for entry in config["sensors"]]
    channels = sorted({channel for part in parts for channel in part["channels"]})
    traffic = {index for index, part in enumerate(parts) if part["kind"] == "traffic"}
    return Pipeline(
        clock,
        power.Watchdog(),
        time_sync,
        Timetable(clock, config["window_s"]),
        health.Health(power, store, keystore.KIND_FILE, health.count_boot(nvs)),
        Sampler(drivers, config["cells"], clock),
        Minimiser(tuple(channels), config["cells"], len(parts), traffic),
        Sealer(secrets, counter, randomness),
        store,
        Sender(clock, radio, config["broker"], store, time_sync, randomness, config["window_s"]),
    )
