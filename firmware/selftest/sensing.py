"""What the sensors say to their own drivers within some seconds, and what their buses did meanwhile.

Drivers run under the node's sampler and without a policy: who passes by is dropped before it is counted.
"""

import asyncio
import json

from machine import I2C, Pin
from micropython import const

import sensors
from busio import I2C as BusioI2C
from node.sample import FAULT, READING, Sampler, empty_event
from ports.bus import open_bus
from ports.clock import Clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SCANS = const(20)
_READINGS = const(3)  # of each channel
_FAULTS = const(2)  # after which a sensor that said nothing says no more
_POLL_MS = const(100)


class _Wires:
    """A machine.I2C that counts: whole transfers, and those that were not acknowledged or hung."""

    def __init__(self, i2c: "Any") -> None:
        self._i2c = i2c
        self.transfers = 0
        self.errors = 0

    def writeto(self, address: int, data: "bytes | memoryview", stop: bool) -> None:
        self._count(self._i2c.writeto, address, data, stop)

    def readfrom_into(self, address: int, into: "bytearray | memoryview") -> None:
        self._count(self._i2c.readfrom_into, address, into)

    def readfrom_mem_into(self, address: int, register: int, into: "bytearray | memoryview") -> None:
        self._count(self._i2c.readfrom_mem_into, address, register, into)

    def _count(self, transfer: "Any", *what: "Any") -> None:
        self.transfers += 1
        try:
            transfer(*what)
        except OSError:
            self.errors += 1
            raise


class _Line:
    """A ports.bus.Uart that counts the bytes it hears."""

    def __init__(self, uart: "Any") -> None:
        self._uart = uart
        self.write = uart.write
        self.heard = 0

    def read_now(self, buffer: "bytearray | memoryview") -> int:
        count: int = self._uart.read_now(buffer)
        self.heard += count
        return count


class _Levels:
    """How often a ports.gpio.Input was seen low and high: its driver may not look at it for a while."""

    def __init__(self, line: "Any") -> None:
        self._line = line
        self.levels = [0, 0]

    def look(self) -> None:
        self.levels[self._line.high()] += 1


def observe(buses: "dict[str, Any]", entries: "list[Any]", listen_s: "list[int]") -> None:
    """Print {"buses": by name, "sensors": in the order of the entries}; entries as in the configuration."""
    clock = Clock()
    said: dict[str, Any] = {}
    opened: dict[str, Any] = {}
    counts: dict[str, Any] = {}
    for name in buses:
        entry = buses[name]
        if entry["kind"] == "i2c":
            i2c = I2C(entry["id"], scl=Pin(entry["scl"]), sda=Pin(entry["sda"]), freq=entry["freq"])
            said[name] = {"seen": _scanned(i2c), "scans": _SCANS}
            counts[name] = _Wires(i2c)
            opened[name] = BusioI2C(counts[name], clock)
        else:
            opened[name] = open_bus(entry, clock)
            if entry["kind"] == "uart":
                opened[name] = counts[name] = _Line(opened[name])
            else:
                counts[name] = _Levels(opened[name])
    drivers = [sensors.open_sensor(entry, opened, clock) for entry in entries]
    sampler = Sampler(drivers, [0] * len(entries), clock, [entry["period_s"] for entry in entries])
    parts = [sensors.part(entry) for entry in entries]
    lines = [counts[name] for name in counts if buses[name]["kind"] == "gpio"]
    heard = asyncio.run(_listen(sampler, parts, listen_s, clock, lines))
    for name in counts:
        figures = {what: getattr(counts[name], what, None) for what in ("transfers", "errors", "heard", "levels")}
        said[name] = dict(said.get(name, {}), **figures)
    print("SELFTEST", json.dumps({"buses": said, "sensors": heard}))


def _scanned(i2c: I2C) -> "dict[int, int]":
    """Address -> how many of the scans found somebody there."""
    seen: dict[int, int] = {}
    for _ in range(_SCANS):
        for address in i2c.scan():
            seen[address] = seen.get(address, 0) + 1
    return seen


async def _listen(
    sampler: Sampler, parts: "list[dict[str, Any]]", listen_s: "list[int]", clock: Clock, lines: "list[_Levels]"
) -> "list[dict[str, Any]]":
    said: list[dict[str, Any]] = [
        {"kind": part["kind"], "channels": part["channels"], "readings": {}, "faults": {}} for part in parts
    ]
    event = empty_event()
    sampler.start()
    waited_ms = 0
    while any(not _settled(said[i]) and waited_ms < listen_s[i] * 1000 for i in range(len(said))):
        await clock.sleep_ms(_POLL_MS)
        waited_ms += _POLL_MS
        for line in lines:
            line.look()
        while sampler.take(event):
            _note(said, event)
    sampler.stop()
    return said


def _settled(said: "dict[str, Any]") -> bool:
    """Whether waiting longer tells nothing more of an air sensor; others have nothing to say for sure."""
    readings = said["readings"]
    if not readings and sum(said["faults"].values()) >= _FAULTS:
        return True
    channels = said["channels"]
    return bool(channels) and all(readings.get(channel, (0,))[0] >= _READINGS for channel in channels)


def _note(said: "list[dict[str, Any]]", event: "Any") -> None:
    """Keep (how many, least, most, last) of a channel, and faults by kind."""
    if event[0] == FAULT:
        faults = said[event[1]]["faults"]
        faults[event[2]] = faults.get(event[2], 0) + 1
    elif event[0] == READING:
        readings, value = said[event[1]]["readings"], event[3]
        count, least, most, _ = readings.get(event[2], (0, value, value, value))
        readings[event[2]] = count + 1, min(least, value), max(most, value), value
