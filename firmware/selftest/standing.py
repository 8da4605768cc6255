"""What the node takes itself for: its configuration without secrets, its network, its clock."""

import json

from node import config as configuration
from node import keystore, network
from ports.clock import Clock
from ports.flash import Files, KeyPartition


def tell() -> None:
    """Print {"board", "buses", "sensors", "identity" (null: in flash), "ssid", "host", "port", "ntp", "unix_ms"}."""
    files = Files()
    config = configuration.load(files)
    secrets = keystore.open_keystore(files, KeyPartition.find()).load()
    wifi, broker = network.changed(secrets.network or {}, config["wifi"], config["broker"])
    said = {name: config[name] for name in ("board", "buses", "sensors", "ntp")}
    said["identity"] = config.get("identity")
    said.update({"ssid": wifi["ssid"], "host": broker["host"], "port": broker["port"], "unix_ms": Clock().unix_ms()})
    print("SELFTEST", json.dumps(said))
