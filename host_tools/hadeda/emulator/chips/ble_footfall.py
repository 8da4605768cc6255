"""Who advertises over Bluetooth LE near a lamp post: what people who pass carry, and what stands there all day.

Source: Bluetooth Core Specification 5.4, volume 6 part B, sections 1.3.2 (random addresses: the two highest bits tell
static 11, resolvable private 01, non-resolvable private 00) and 4.4.2.2 (an advertising interval is lengthened by a
random 0 to 10 ms each time); volume 3 part C, appendix A: a private address is replaced after 15 minutes.

Chosen, not measured: how many devices whoever passes carries (`CARRIED`), how often they advertise, how far they are
heard, and what stands in the street (`Standing`). A device that passes is heard while it is within RANGE_M. The same
world and seed give the same packets, whatever was asked before.
"""

import hashlib
import random
from dataclasses import dataclass, field
from functools import lru_cache

from hadeda.emulator.chips.base import OnEvent, Surroundings
from hadeda.scenario import Passage

PUBLIC, RANDOM = 0, 1
CONNECTABLE, NON_CONNECTABLE = 0, 3  # ADV_IND, ADV_NONCONN_IND
ROTATION_S = 900.0
RANGE_M = 30.0
JITTER_S = 0.010
# Kind of passage -> how likely whoever passes carries 0, 1, 2, 3 devices that advertise
CARRIED = {
    "pedestrian": (0.25, 0.45, 0.25, 0.05),
    "bike": (0.35, 0.45, 0.20, 0.0),
    "car": (0.15, 0.40, 0.30, 0.15),
    "heavy": (0.20, 0.50, 0.30, 0.0),
}
_INTERVALS_S = (0.1525, 0.2115, 0.318, 0.5460, 1.0225)
_FLAGS = bytes((2, 0x01, 0x1A))
_SLOWEST_MS = 0.5


@dataclass(frozen=True)
class Advertising:
    """One advertising packet; the address is in the order in which it is written."""

    time_s: float
    address_type: int
    address: bytes
    kind: int
    rssi_dbm: int
    data: bytes


@dataclass(frozen=True)
class Device:
    """Something that advertises from `from_s` until `until_s`. `fixed`: its address, if it never changes."""

    name: str
    interval_s: float
    from_s: float
    until_s: float
    fixed: bytes | None = None
    address_type: int = RANDOM

    def address(self, at: float) -> bytes:
        """Its address at a moment: a new resolvable private one every 15 minutes, at moments of its own."""
        if self.fixed is not None:
            return self.fixed
        phase = int.from_bytes(hashlib.sha256(f"phase {self.name}".encode()).digest()[:4], "big") % int(ROTATION_S)
        turn = int((at + phase) // ROTATION_S)
        drawn = hashlib.sha256(f"{self.name} {turn}".encode()).digest()[:6]
        return bytes([0x40 | drawn[0] & 0x3F]) + drawn[1:]

    def packets(self, t0: float, t1: float) -> list[Advertising]:
        """What it sends at t0 <= time < t1."""
        start, end = max(t0, self.from_s), min(t1, self.until_s)
        found = []
        step = self.interval_s + JITTER_S
        for number in range(int((start - self.from_s) // step), int(max(0.0, end - self.from_s) // step) + 1):
            rng = random.Random(f"{self.name} {number}")
            at = self.from_s + number * step + rng.uniform(0, JITTER_S)
            if start <= at < end:
                rssi = round(rng.gauss(-78, 6))
                kind = CONNECTABLE if self.fixed is None else NON_CONNECTABLE
                found.append(Advertising(at, self.address_type, self.address(at), kind, max(-100, rssi), _FLAGS))
        return found


@dataclass
class Standing:
    """What is in the street all day: things at home whose address rotates, and things whose address is fixed."""

    rotating: int = 3
    fixed: int = 2
    addresses: list[bytes] = field(default_factory=list)  # further fixed ones, public


class PassingDevices:
    """The street as a Bluetooth radio hears it."""

    def __init__(self, world: Surroundings, seed: int = 0, *, standing: Standing | None = None) -> None:
        self.on_event: OnEvent | None = None
        self._world = world
        self._seed = seed
        self._standing = _standing(seed, standing or Standing())
        self._carried_by = lru_cache(maxsize=4096)(self._carried)

    def advertising(self, t0: float, t1: float) -> list[Advertising]:
        """Every packet sent in reach at t0 <= time < t1, in order of time."""
        found = [packet for device in self.devices(t0, t1) for packet in device.packets(t0, t1)]
        return sorted(found, key=lambda packet: packet.time_s)

    def devices(self, t0: float, t1: float) -> list[Device]:
        """Everything in reach at some moment of t0 <= time < t1 that advertises."""
        far_s = RANGE_M / _SLOWEST_MS
        passing = [
            device
            for passage in self._world.passages(t0 - far_s, t1 + far_s)
            for device in self._carried_by(passage)
            if device.from_s < t1 and device.until_s > t0
        ]
        return self._standing + passing

    def _carried(self, passage: Passage) -> tuple[Device, ...]:
        name = f"carried {self._seed} {passage.time_s} {passage.kind} {passage.direction}"
        rng = random.Random(name)
        weights = CARRIED[passage.kind]
        (count,) = rng.choices(range(len(weights)), weights)
        near_s = RANGE_M / max(_SLOWEST_MS, passage.speed_kmh / 3.6)
        return tuple(
            Device(f"{name} {n}", rng.choice(_INTERVALS_S), passage.time_s - near_s, passage.time_s + near_s)
            for n in range(count)
        )


def _standing(seed: int, standing: Standing) -> list[Device]:
    """Devices that were there before and will be there after."""
    always = (0.0, float("inf"))
    rng = random.Random(f"standing {seed}")
    found = [Device(f"home {seed} {n}", rng.choice(_INTERVALS_S), *always) for n in range(standing.rotating)]
    for n in range(standing.fixed):
        address = bytes([0xC0 | rng.randrange(64)]) + rng.randbytes(5)
        found.append(Device(f"beacon {seed} {n}", rng.choice(_INTERVALS_S), *always, fixed=address))
    for n, address in enumerate(standing.addresses):
        device = Device(f"planted {seed} {n}", 0.2115, *always, fixed=address, address_type=PUBLIC)
        found.append(device)
    return found


CHIP = PassingDevices
