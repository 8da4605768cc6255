"""Puts the node together from its configuration. Imported at boot only: what it wires stays, and it goes.

No function made here may be handed out: it would keep all of this in memory.
"""

from micropython import const

import sensors
from envelope import ecdsa
from envelope.labels import PRIVATE_KEY_SIZE, SAFE_CONFIG
from node import combs, health
from node.commands import Commands
from node.errors import ConfigError
from node.keychain import Keychain
from node.keystore import open_keystore
from node.ledger import Ledger
from node.letters import DOWN_PREFIX, Mailbox
from node.minimise import Minimiser
from node.pipeline import Pipeline
from node.policy import in_force, least_window_s
from node.randomness import Randomness
from node.report import Owed
from node.route import Route
from node.seal import Sealer
from node.seldom import seldom
from node.send import Sender
from node.sensing import open_sampler
from node.store import Store
from node.time_sync import TimeSync
from node.window import Timetable
from ports import entropy, power
from ports.clock import Clock
from ports.flash import Files, KeyPartition, Nvs
from ports.led import open_led
from ports.radio import Radio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from elements.patience import PatientSealer
    from node.boots import Boots
    from node.keystore import KeyStore

_PAUSE_WITHOUT_CONFIGURATION_MS = const(600000)


async def configuration(files: Files, clock: Clock) -> "tuple[Any, int]":
    """(configuration, labels.SAFE_CONFIG or 0); one that leads nowhere may be better read another time."""
    try:
        with seldom("node.config") as reader:
            try:
                return reader.load(files), 0
            except ConfigError as error:
                print("hadeda: damaged configuration:", error)
                return reader.salvage(files), SAFE_CONFIG
    except ConfigError as error:
        print("hadeda: starting again in a while after:", error)
        await clock.sleep_ms(_PAUSE_WITHOUT_CONFIGURATION_MS)
        power.reset()
        raise


def build(config: "Any", files: Files, clock: Clock, boots: "Boots") -> Pipeline:
    """Wire the stages. Everything from ports/ enters here and nowhere else. Unprovisioned without an identity."""
    ecdsa.use_kernel()
    nvs = Nvs()
    keystore = open_keystore(files, KeyPartition.find())
    keychain = Keychain(keystore, nvs, power.Retained())
    randomness = Randomness(nvs, entropy.noise, power.serial())
    store = Store(files, nvs)
    radio = Radio(clock)
    ledger = Ledger(nvs, keychain)
    time_sync = TimeSync(clock, radio, config["ntp"], randomness, ledger)
    owed = Owed()
    route = Route(keychain, owed, time_sync, config["wifi"], config["broker"])
    mailbox, commands = _downlink(config, files, clock, (keychain, owed, randomness.drbg, store), boots, route)
    sensed = config if not boots.safe else {"buses": {}, "sensors": []}
    window_s = least_window_s(in_force(keychain.secrets))
    pipeline = Pipeline(
        clock,
        power.Watchdog(),
        time_sync,
        Timetable(clock, window_s),
        health.Health(power, keystore.kind, boots),
        open_sampler(sensed, clock),
        _minimiser(sensed["sensors"]),
        _sealer(keystore, keychain, randomness, store, files),
        store,
        Sender(clock, radio, route, store, time_sync, randomness, mailbox, window_s),
        keychain,
        owed,
        ledger,
        randomness.drbg,
        boots,
    )
    commands.report_now = pipeline.report_now
    return pipeline


def _sealer(
    keystore: "KeyStore", keychain: Keychain, randomness: Randomness, store: Store, files: Files
) -> "Sealer | PatientSealer":
    """One with patience, where the secrets have no key but say where it is: in a chip."""
    private = keychain.secrets.private
    sealer = Sealer(keychain, randomness)
    if len(private) == PRIVATE_KEY_SIZE:
        return sealer
    from elements import patience, signer

    return patience.PatientSealer(sealer, signer.use(keystore, private[1:], combs.reader(files)), store.row)


def _downlink(
    config: "Any", files: Files, clock: Clock, parts: "tuple[Any, Any, Any, Store]", boots: "Boots", route: Route
) -> "tuple[Mailbox, Commands]":
    """The city's way to the node; `parts` are keychain, what is owed, the generator and the outbox."""
    keychain, owed, drbg, store = parts
    comb = combs.reader(files)
    led = open_led(config.get("led"), clock)
    commands = Commands(keychain, owed, drbg, led, boots.reset, comb)
    prefix = config["broker"].get("down", DOWN_PREFIX)
    return Mailbox(keychain, commands, owed, drbg, prefix, comb, store.forget, route.heard), commands


def _minimiser(entries: "list[Any]") -> Minimiser:
    traffic = {}
    radio = -1
    for index, entry in enumerate(entries):
        part = sensors.part(entry)
        if part["kind"] == "radio":
            radio = index
        if part["kind"] == "traffic":
            traffic[index] = part.get("source", 0), tuple(entry.get("classes", part.get("classes", ())))
    return Minimiser(None, len(entries), traffic, radio)
