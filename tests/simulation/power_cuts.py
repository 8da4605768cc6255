"""Cuts the power at every flash operation of a life that is lived once: each cut is a fork of the whole simulation.

    cuts = PowerCuts(share=0, shares=2)    # the faults of a street
    cuts.begin(street, judge)              # every program and erase from now on
    ...
    cuts.end()

A program is cut before its first byte, after some of them and after the last; an erase before it has begun, amid it
(the sector is garbage) and after it. In the fork the board's processor is gone, with RAM, RTC memory and sockets; the
flash is as the cut left it; network, broker and city are as they were. There `judge` lets the node live on and says
what does not hold. What a fork does, the life that is recorded never learns.

Where cuts leave the same flash and nothing happened outside in between, as after one operation and before the next, one
fork answers for all of them.
"""

from __future__ import annotations

import gc
import os
import random
import select
import shutil
import signal
import sqlite3
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from flash_stages import Operation
from sqlalchemy import event

from hadeda.board.partitions import Partition
from hadeda.emulator.flash import SECTOR
from hadeda.scenario import World
from hadeda.simulate.faults import Faults
from hadeda.simulate.lamp_post import LampPost
from hadeda.simulate.provisioning import seed_of

if TYPE_CHECKING:
    from hadeda.registry import Database
    from hadeda.simulate.street import Street

PATIENCE_S = 100.0  # real seconds that a fork may take
PROGRAM = ("before its first byte", "amid", "after its last byte")
ERASE = ("before it began", "amid", "when it was done")


@dataclass(frozen=True)
class Survivor:
    """The street as a cut left it at `at_us`: `image` is the flash of its post, which is off; `before` was cut."""

    street: Street
    before: LampPost
    image: bytes
    at_us: int


Judge = Callable[[Survivor], list[str]]


class PowerCuts(Faults):
    """Fair weather but for the cuts. This one makes every `shares`th fork; all of them record the same life.

    `forks` answered for `points` cuts; `failures` has an entry for each after which something did not hold. With
    `within` only operations in that partition are cut, and none after the first failure: the hunt for a known bug.
    """

    def __init__(self, share: int = 0, shares: int = 1, within: Partition | None = None) -> None:
        super().__init__(0, 1, 0)
        self.operations: list[Operation] = []
        self.points = self.forks = 0
        self.failures: list[str] = []
        self._judge: Judge = lambda _: []
        self._share = share
        self._shares = shares
        self._within = within
        self._street: Street | None = None
        self._states: dict[object, int] = {}  # what is in flash and outside -> its number
        self._content = 0  # of the flash: how often it has changed

    def begin(self, street: Street, judge: Judge) -> None:
        """Cut at every operation from now on."""
        self._judge = judge
        gc.freeze()  # what is there already, a fork need not look through
        self._street = street

    def end(self) -> None:
        """Cut no more."""
        gc.unfreeze()
        self._street = None

    def before_flash(self, board: int, at_us: int, address: int, data: bytes | None) -> None:  # noqa: ARG002
        street = self._street
        if street is None:
            return
        emulated = street.posts[0].emulated
        self.operations.append(Operation(address, data, emulated.radio.online))
        outside = street.agenda.now_us, street.wire.bytes.total()
        before = emulated.flash.read(address, SECTOR if data is None else len(data))
        cuts = list(_cuts(before, data, random.Random(f"cut {len(self.operations)}")))
        done = cuts[-1][1]
        after = self._content + (done != before)
        for place, left in cuts:
            content: object = {before: self._content, done: after}.get(left, (place, len(self.operations)))
            if self._is_wanted(address) and self._is_new((content, outside)):
                self._cut(street, place, address, left)
        self._content = after

    def _is_wanted(self, address: int) -> bool:
        part = self._within
        return part is None or (part.address <= address < part.address + part.size and not self.failures)

    def _is_new(self, state: object) -> bool:
        """Whether a cut with this outcome is ours to fork for."""
        known = len(self._states)
        number = self._states.setdefault(state, known)
        if number % self._shares != self._share:
            return False
        self.points += 1
        return number == known

    def _cut(self, street: Street, place: str, address: int, left: bytes) -> None:
        self.forks += 1
        street.city.database.close()  # without a connection it is one file, which the fork can copy
        found = _in_a_fork(lambda: self._aftermath(street, address, left))
        operation = self.operations[-1]
        kind = "erase" if operation.data is None else f"program of {len(operation.data)} bytes"
        where = f"operation {len(self.operations)} ({kind} at {address:#x}), cut {place}"
        if found:
            self.failures.append(f"{where}: " + "\n    ".join(found))

    def _aftermath(self, street: Street, address: int, left: bytes) -> list[str]:
        """In the fork: another board takes the place of the one whose power failed."""
        self._street = None
        with TemporaryDirectory(prefix="hadeda-powercut-") as folder:
            return self._judge(_replaced(street, address, left, Path(folder)))


def _cuts(before: bytes, data: bytes | None, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """(where, what is there then) for an operation on flash that holds `before`; when it is done comes last."""
    if data is None:
        yield from zip(ERASE, (before, rng.randbytes(len(before)), b"\xff" * len(before)), strict=True)
        return
    done = (int.from_bytes(before, "big") & int.from_bytes(data, "big")).to_bytes(len(data), "big")
    some = rng.randrange(1, len(data))
    yield from zip(PROGRAM, (before, done[:some] + before[some:], done), strict=True)


def _replaced(street: Street, address: int, left: bytes, folder: Path) -> Survivor:
    """A new board on a copy of the flash, the city's database copied too: what this process shares is left alone."""
    cut = street.posts[0]
    at_us = cut.clock.now_us()
    image = bytearray(cut.emulated.flash.image())
    image[address : address + len(left)] = left
    flash = folder / "flash.bin"
    flash.write_bytes(image)
    _move_to_copy(street.city.database, folder / "copy.sqlite")
    cut.emulated.radio.reset()
    cut.emulated._processor = None  # the process is the recorded life's
    cut.sealed.forget()
    cut.windows.look()
    world = World(seed=seed_of(street.wanted.seed, cut.number))
    board, window_s = street.wanted.board, street.window_s
    post = LampPost(cut.number, board, world, flash, street.faults, street._network, window_s, street.trace)
    post.emulated._random = cut.emulated._random  # chance goes on: it does not begin again with the board
    street.posts[:] = [post]
    return Survivor(street, cut, bytes(image), at_us)


def _move_to_copy(database: Database, copy: Path) -> None:
    """Everybody who holds the database uses the copy from now on; it has no connection open."""
    shutil.copyfile(database.path, copy)

    def connect(_dialect: Any, _record: Any, _arguments: Any, settings: dict[str, Any]) -> sqlite3.Connection:
        return sqlite3.connect(copy, **settings)

    for engine in (database._reading, database._keeping):
        event.listen(engine, "do_connect", connect)


def _in_a_fork(work: Callable[[], list[str]]) -> list[str]:
    """What `work` says, done in a copy of this process; this process must have one thread."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            said = work()
        except BaseException:
            said = [traceback.format_exc()]
        os.write(writing, "\0".join(said).encode()[:60_000])
        os._exit(0)
    os.close(writing)
    try:
        return _answer(reading, child)
    finally:
        os.close(reading)
        os.waitpid(child, 0)


def _answer(reading: int, child: int) -> list[str]:
    answer, until_s = b"", time.monotonic() + PATIENCE_S
    while True:
        if not select.select([reading], [], [], max(0.0, until_s - time.monotonic()))[0]:
            os.kill(child, signal.SIGKILL)
            return [f"it was not over after {PATIENCE_S:.0f} s"]
        piece = os.read(reading, 65536)
        if not piece:
            return answer.decode(errors="replace").split("\0") if answer else []
        answer += piece
