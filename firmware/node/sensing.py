"""The sensors of a configuration: their buses, their drivers, and who runs them."""

import sensors
from node.sample import Sampler
from ports.bus import open_bus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ports.clock import Clock


def open_sampler(config: "Any", clock: "Clock") -> Sampler:
    """The sampler of everything under `sensors`; nothing is said to a chip yet."""
    buses = {name: open_bus(entry, clock) for name, entry in config["buses"].items()}
    drivers = [sensors.open_sensor(entry, buses, clock) for entry in config["sensors"]]
    sources = [sensors.part(entry).get("source", 0) for entry in config["sensors"]]
    return Sampler(drivers, sources, clock, [entry["period_s"] for entry in config["sensors"]])
