"""One full cycle of a node's life, as short as it can be: boot, windows, receipt, ratchet, new policy, rotation.

Before it the node lives twice, and so long that the first report of the cycle begins a new epoch (each power cut gives
up the rest of a block of numbers), and that the oldest segment of its outbox is full, to be removed with a receipt.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from power_cuts import PowerCuts

from hadeda.board import Board, load
from hadeda.city import City
from hadeda.city.policies import set_policy
from hadeda.envelope import labels
from hadeda.errors import SimulationError
from hadeda.paths import FIRMWARE
from hadeda.policy import Floor, read_floor, read_policy
from hadeda.policy.compiled import compile_floor
from hadeda.policy.signing import sign_policy
from hadeda.provision.shipment import shipment
from hadeda.registry.commands import queue, waiting
from hadeda.registry.epochs import standing
from hadeda.registry.nodes import select_node
from hadeda.simulate import provisioning
from hadeda.simulate.provisioning import name_of, prepare
from hadeda.simulate.street import Street, Wanted

SEED: Final = 7
BOARD: Final = "esp32-s3-devkitc-1"
PART: Final = "bme280"  # the only sensor, and a lazy one: what it reads is written to the flash with the report
PERIOD_S: Final = 300
WINDOWS_BEFORE: Final = (13, 2)
WINDOWS_MAX: Final = 9
POLICY: Final = 2
MINUTE_US: Final = 60_000_000
ROLE: Final = labels.ROLE_COMMAND
NAME: Final = name_of(0)

Patch = tuple[str, str, str]  # a file of the firmware, what stands there once, what is planted instead


def board() -> Board:
    """The board of the cycle."""
    whole = load(BOARD)
    (air,) = (sensor.model_copy(update={"period_s": PERIOD_S}) for sensor in whole.sensors if sensor.part == PART)
    return whole.model_copy(update={"sensors": (air,)})


@contextmanager
def street_before(folder: Path, cuts: PowerCuts, patch: Patch | None = None) -> Iterator[Street]:
    """A street whose node is off, ready for the cycle; its firmware is patched where a bug is to be planted."""
    if patch is not None:
        parcels = shipment(board(), _patched(folder / "firmware", *patch))
        provisioning.shipment = lambda _board: parcels
    prepare(board(), [0], SEED, folder, lambda _: None)
    with Street(Wanted(board(), 1, 0, SEED, "none"), cuts, folder) as street:
        street.collector.start()
        for windows in WINDOWS_BEFORE:
            post = street.posts[0]
            post.power_on(street.agenda.now_us)
            live_windows(street, windows)
            post.power_off()
        yield street


def _patched(folder: Path, file: str, old: str, new: str) -> Path:
    shutil.copytree(FIRMWARE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    source = (folder / file).read_text()
    if source.count(old) != 1:
        raise ValueError(f"{file} does not contain {old!r} once")
    (folder / file).write_text(source.replace(old, new))
    return folder


def live_windows(street: Street, count: int) -> None:
    """Until that many windows more have ended, and the session after the last one."""
    window_us = street.window_s * 1_000_000
    street.run_until((street.agenda.now_us // window_us + count) * window_us + 2 * MINUTE_US, lambda _: None)


def live_until(street: Street, known: Callable[[Street], bool], windows: int) -> bool:
    """Live on until the city knows something, for so many windows at the most; whether it did."""
    for _ in range(windows):
        if known(street):
            return True
        live_windows(street, 1)
    return known(street)


def all_done(street: Street) -> bool:
    """Whether the city has answers to all commands and the node under its new keys, and misses no report."""
    with street.city.database.read() as session:
        node = select_node(session, NAME)
        stands = standing(session, node)
        if waiting(session, node) or stands.pending is not None or stands.epoch <= labels.REKEY_JUMP:
            return False
    post = street.posts[0]
    return len(street.missing(post)) <= street.gaps_of(post)


def queue_commands(street: Street) -> bytes:
    """Let a policy, with a stricter floor, and a rotation wait for the node; returns that floor as nodes hold it."""
    city, now = street.city, datetime.fromtimestamp(street.start_s + street.agenda.now_us / 1e6, UTC)
    signed, floor = _stricter(city)
    with city.database.read() as session:
        node = select_node(session, NAME)
    arguments = set_policy(city, node, signed, floor)
    with city.database.write() as session:
        for operation, content in ((labels.OPERATION_SET_POLICY, arguments), (labels.OPERATION_ROTATE, {})):
            queue(session, node, operation, content, lambda thumb: city.keyring.private(ROLE, thumb), now=now)
    return compile_floor(floor)


def _stricter(city: City) -> tuple[bytes, Floor]:
    policy = read_policy(city.directory / "policy.toml").model
    floor = read_floor(city.directory / "floor.toml").model
    policy = policy.model_copy(update={"version": POLICY})
    counts = floor.counts.model_copy(update={"min_k": policy.traffic.k})
    signed = sign_policy(policy, city.keyring.private(labels.ROLE_POLICY))
    return signed, floor.model_copy(update={"version": floor.version + 1, "counts": counts})


def live_through(street: Street) -> None:
    """The cycle, from power-up to the last answer; then the plug is pulled."""
    street.posts[0].power_on(street.agenda.now_us)
    if not live_until(street, all_done, WINDOWS_MAX):
        raise SimulationError("the cycle is not finished without any cut", "see what the node prints")
    street.posts[0].power_off()
