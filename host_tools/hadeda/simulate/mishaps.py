"""Single faults, each as it is done to a board's parts or to the city; when and how often is the storm's (storm.py)."""

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from hadeda import randomness
from hadeda.emulator import files_in_flash
from hadeda.emulator.chips import faults
from hadeda.emulator.flash import SECTOR
from hadeda.envelope import labels
from hadeda.registry.commands import queue
from hadeda.registry.nodes import Node, select_node
from hadeda.registry.restoring import hold
from hadeda.simulate.city_side import LINE_US
from hadeda.simulate.provisioning import name_of
from hadeda.simulate.sealed_in_flash import HEAD

if TYPE_CHECKING:
    from hadeda.simulate.lamp_post import LampPost
    from hadeda.simulate.street import Street

I2C_FAULTS: Final = (faults.Nacking, faults.Stalling, faults.Corrupting)
UART_FAULTS: Final = (faults.Silent, faults.Garbling, faults.Splitting, faults.Garbage, faults.Dropping)
BY_CHANCE: Final = {faults.Corrupting: 0.05, faults.Garbling: 0.01}  # of the bytes
FULL: Final = "/full"
RECORD_HEAD: Final = 10  # bytes of the outbox before a sealed report
BACKUP: Final = "backup.sqlite"

# --- boards ------------------------------------------------------------------------------------------------------


def hang(post: "LampPost", _at_us: int) -> None:
    """The program stops; the watchdog has to find out."""
    post.note("hangs")
    post.emulated.hang()


def starve(after: int, post: "LampPost", _at_us: int) -> None:
    """Once, so many allocations after it has started anew, there is no room."""
    post.starve(after)


def lie(seconds: float | None, begins: bool, post: "LampPost", _at_us: int) -> None:
    """The time server is off by so much; None: it does not answer."""
    post.note(f"time server is off by {seconds} s" if begins else "time server is right")
    post.network.ntp_offset_s = seconds if begins else 0.0


def lose_radio(begins: bool, post: "LampPost", _at_us: int) -> None:
    """The access point is gone, or back."""
    post.note("radio lost" if begins else "radio back")
    if begins:
        post.emulated.radio.lose_reach()
    else:
        post.emulated.radio.regain_reach()


def rot(seed: int, post: "LampPost", _at_us: int) -> None:
    """A bit turns over in a segment of the outbox, where one has data of its own."""
    flash = post.emulated.flash
    rotting = random.Random(f"rot {seed}")
    sectors = [
        sector for sector in sorted(post.sealed.written) if flash.read(sector * SECTOR + RECORD_HEAD, len(HEAD)) == HEAD
    ]
    if sectors:
        at = rotting.choice(sectors) * SECTOR + rotting.randrange(SECTOR)
        post.note(f"a bit rots at {at:#x}")
        flash.rot(at, 1 << rotting.randrange(8))


def fill_flash(post: "LampPost", blocks: int) -> None:
    """Something else takes all of the flash but so many blocks; the board is off."""
    post.note(f"flash full but for {blocks} blocks")
    files_in_flash.change(post.flash_file, post.emulated.board, fill=(FULL, blocks), remove=_full(post))


def clear_flash(post: "LampPost") -> None:
    """There is room again; the board is off."""
    post.note("flash has room again")
    files_in_flash.change(post.flash_file, post.emulated.board, remove=_full(post))


def _full(post: "LampPost") -> Sequence[str]:
    return [FULL] if FULL in files_in_flash.files(post.flash_file, post.emulated.board) else []


def spoil_sensors(post: "LampPost", rng: random.Random, start_s: float, periods_us: Sequence[tuple[int, int]]) -> None:
    """Put a fault before a part on a bus for each of these periods; the board has had no power yet."""
    wiring, board = post.emulated.wiring, post.emulated.board
    wired = [index for index, sensor in enumerate(board.sensors) if sensor.bus is not None]
    for start_us, end_us in periods_us:
        index = rng.choice(wired)
        chip: Any = wiring.parts[index][1]
        kind: Any = rng.choice(UART_FAULTS if hasattr(chip, "transmit") else I2C_FAULTS)
        chance = {"probability": BY_CHANCE[kind]} if kind in BY_CHANCE else {}
        period = start_s + start_us / 1e6, start_s + end_us / 1e6
        wiring.attach(board, index, kind(chip, *period, seed=rng.getrandbits(32), **chance))


def order_reboot(street: "Street", post: "LampPost") -> None:
    """The city orders a board to start again."""
    post.note("reboot ordered")
    post.reboots_ordered += 1
    city = street.city
    with (
        randomness.seeded(f"order {street.wanted.seed} {post.number} {street.agenda.now_us}"),
        city.database.write() as s,
    ):
        node = select_node(s, name_of(post.number))
        key = city.keyring.private
        queue(s, node, labels.OPERATION_REBOOT, {}, lambda t: key(labels.ROLE_COMMAND, t), now=street.collector.now())


# --- the city ----------------------------------------------------------------------------------------------------


def restart_broker(keep: bool, told: bool, street: "Street", _at_us: int) -> None:
    """With its disk or without; `told`: connections end with a word."""
    street.note(f"broker restarts {'with' if keep else 'without'} its disk")
    street.broker.restart(keep=keep, told=told)
    street.collector.broker_gone()


def stop_broker(name: str, street: "Street", _at_us: int) -> None:
    """`silent` (off) or `refusing`."""
    street.note(f"broker is {name}")
    setattr(street.broker, name, True)
    street.broker.restart(keep=True, told=name == "refusing")
    street.collector.broker_gone()


def mend_broker(name: str, street: "Street", _at_us: int) -> None:
    """It answers again."""
    street.note(f"broker is no longer {name}")
    setattr(street.broker, name, False)


def stop_collector(street: "Street", _at_us: int) -> None:
    """It is down."""
    street.note("collector stops")
    street.collector.stop()


def start_collector(street: "Street", _at_us: int) -> None:
    """It is there again."""
    street.note("collector starts")
    street.collector.start()


def slow_collector(line_us: int, street: "Street", _at_us: int) -> None:
    """What it hears and says takes so long."""
    street.note(f"collector is {line_us / 1e6:.0f} s away")
    street.collector.slow_down(line_us)


def hurry_collector(street: "Street", _at_us: int) -> None:
    """It is as fast as ever."""
    street.note("collector is fast again")
    street.collector.slow_down(LINE_US)


def back_up(street: "Street", _at_us: int) -> None:
    """Copy the registry."""
    street.note("backup")
    _copy(street.city.database.path, street.city.directory / BACKUP)


def restore(street: "Street", _at_us: int) -> None:
    """The registry is lost and comes back from its backup, and the city says so: `hadeda city restored`."""
    street.note("restored from the backup")
    street.collector.stop()
    _copy(street.city.directory / BACKUP, street.city.database.path)
    now = street.collector.now()
    with street.city.database.write() as session:
        for node in list(session.scalars(select(Node))):
            with randomness.seeded(f"restored {street.wanted.seed} {node.name}"):
                hold(session, node, now)
    street.restored_us = street.agenda.now_us
    street.collector.start()


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as found, closing(sqlite3.connect(target)) as wanted:
        found.backup(wanted)
