"""Nodes for a simulation: each is provisioned as a technician does it, over its serial port, in virtual time.

One board gets the firmware over the cable. Its flash, with firmware and no keys, is what all nodes begin with, as if
they had left the factory with it; they go through the same steps, which find nothing to send. Every node makes its own
keys, enrols, and is registered. None depends on which others there are.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hadeda import randomness
from hadeda.board import Board
from hadeda.board.render import node_config
from hadeda.city import City
from hadeda.city.policies import for_provisioning
from hadeda.emulator.board import EmulatedBoard
from hadeda.provision import steps
from hadeda.provision.port import NodePort
from hadeda.provision.shipment import shipment
from hadeda.scenario import World
from hadeda.simulate.city_side import make_city
from hadeda.simulate.clock import SimulatedTime
from hadeda.simulate.serial_line import plugged_in

BEFORE_S: Final = 3600.0  # so long before the simulation's first moment
CITY: Final = "city"


def prepare(board: Board, numbers: Sequence[int], seed: int, folder: Path, say: Callable[[str], None]) -> None:
    """Make a city, and nodes with these numbers, in `folder`, all from the seed: what a street is built from."""
    now_s = World().start_s - BEFORE_S
    with (
        randomness.seeded(f"prepare {seed}"),
        make_city(folder / CITY, seed, datetime.fromtimestamp(now_s, UTC)) as city,
    ):
        workshop = Workshop(board, city, folder, now_s)
        for number in numbers:
            with randomness.seeded(f"node {seed} {number}"):
                workshop.node(flash_file(folder, number), name_of(number), World(seed=seed_of(seed, number)))
            say(f"board {number} is provisioned")


def name_of(number: int) -> str:
    """What the city calls a board."""
    return f"board-{number}"


def flash_file(folder: Path, number: int) -> Path:
    """Where a board's flash image is."""
    return folder / f"{name_of(number)}.bin"


def seed_of(seed: int, number: int) -> int:
    """The seed of all that is random on and around one board."""
    return int.from_bytes(hashlib.sha256(f"{seed} board {number}".encode()).digest()[:4], "big")


class Workshop:
    """Provisions boards of one kind for one city; a new one has the firmware and no keys."""

    def __init__(self, board: Board, city: City, folder: Path, now_s: float) -> None:
        self._board = board
        self._city = city
        self._now_s = now_s
        self._parcels = shipment(board)
        self._config = _without_tls(board, city)
        self._factory = folder / "factory.bin"
        with self._at_the_cable(World(), self._factory) as port:
            steps.examine(port, board)
            steps.bring_up_to_date(port, self._parcels, self._config["authorities"], lambda _done, _total: None)

    def node(self, flash: Path, name: str, world: World) -> None:
        """Make a new node with this flash image; its power is off again afterwards."""
        shutil.copyfile(self._factory, flash)
        now = datetime.fromtimestamp(self._now_s, UTC)
        with self._at_the_cable(world, flash) as port:
            steps.provision_at(
                port, self._board, self._city, self._parcels, self._config, name=name, lock_chip=True, now=now
            )

    @contextmanager
    def _at_the_cable(self, world: World, flash: Path) -> Iterator[NodePort]:
        """A board with power, and its port, while the block runs."""
        clock = SimulatedTime()
        emulated = EmulatedBoard(
            self._board, world, seed=world.seed, clock=clock, start_s=self._now_s, flash_file=flash
        )
        try:
            emulated.power_on()
            with plugged_in(emulated, clock) as port:
                yield port
        finally:
            emulated.close()


def _without_tls(board: Board, city: City) -> dict[str, Any]:
    given, network = for_provisioning(city), city.node_network()
    plain = replace(network, broker=replace(network.broker, ca=None))
    return node_config(board, plain, city.authorities(), given.signed, given.floor)
