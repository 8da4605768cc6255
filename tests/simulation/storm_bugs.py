"""Bugs for the simulator to find: each a test-only patch of the firmware on a board, or of the city.

A firmware patch is a few lines of MicroPython that run on the board before the node starts; what they replace is as it
would look if somebody had written the node wrongly.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import indent
from typing import Final

from simulated_street import BOARD

from hadeda.board import load
from hadeda.emulator import files_in_flash

MAIN: Final = "/main.py"
AFTER: Final = "        from node.main import start\n"

# The second report after a boot is forgotten, and so is that there was one
LOSES_REPORTS: Final = """
from node import store
reports = []
append = store.Store.append
def append_(self, sealed):
    reports.append(0)
    if len(reports) != 2:
        append(self, sealed)
store.Store.append = append_
"""

# A report is sealed a second time under the number it has
REPEATS_NUMBERS: Final = """
from node import keychain, seal, store
last = []
seal_once = seal.Sealer.seal
def seal_(self, report):
    last[:] = self, report
    return seal_once(self, report)
append = store.Store.append
numbers = []
spend = keychain.Keychain.spend
def spend_(self):
    if not numbers:
        numbers.append(spend(self))
        return numbers[0]
    return numbers.pop()
def append_(self, sealed):
    append(self, sealed)
    append(self, *seal_once(*last))
seal.Sealer.seal = seal_
store.Store.append = append_
keychain.Keychain.spend = spend_
"""

# Every fourth report is sealed once more, with another number, as if the first one had not been kept
RELEASES_TWICE: Final = """
from node import seal, store
last = []
seal_once = seal.Sealer.seal
def seal_(self, report):
    last[:] = self, report
    return seal_once(self, report)
append = store.Store.append
def append_(self, sealed):
    append(self, sealed)
    if self.next % 4 == 0:
        append(self, *seal_once(*last))
seal.Sealer.seal = seal_
store.Store.append = append_
"""

# The ledger is taken for empty at every boot
FORGETS_BUDGET: Final = """
from node import ledger
init = ledger.Ledger.__init__
def __init__(self, nvs, keychain):
    init(self, nvs, keychain)
    self._elapsed_s = self.spent = 0
ledger.Ledger.__init__ = __init__
"""

# The first command's number is not remembered
REPEATS_ORDERS: Final = """
import os
from node import keychain
accept = keychain.Keychain.accept_command
def accept_(self, *arguments):
    try:
        os.stat("/first")
    except OSError:
        open("/first", "w").close()
        return
    accept(self, *arguments)
keychain.Keychain.accept_command = accept_
"""

# From its fifth boot on a node takes itself for a nuisance and says nothing for three hours
GIVES_UP: Final = """
import time
from node import send
try:
    boots = open("/boots").read()
except OSError:
    boots = ""
with open("/boots", "w") as file:
    file.write(boots + "x")
due = send.Sender.due
def due_(self):
    if len(boots) < 4 or time.ticks_ms() > 10800000:
        due(self)
send.Sender.due = due_
"""

# Reports lie in the flash as they are, for debugging
KEEPS_PLAINTEXT: Final = """
from node import seal
sealed = seal.Sealer.seal
def seal_(self, report):
    with open("/debug", "wb") as file:
        file.write(report)
    return sealed(self, report)
seal.Sealer.seal = seal_
"""

# The root key is copied where it can be found
COPIES_KEYS: Final = """
from node import keychain
spend = keychain.Keychain.spend
def spend_(self):
    with open("/backup", "wb") as file:
        file.write(self.secrets.root)
    return spend(self)
keychain.Keychain.spend = spend_
"""

# Something of every window is kept
LEAKS: Final = """
from node import store
kept = []
append = store.Store.append
def append_(self, sealed):
    kept.append(bytearray(2500))
    append(self, sealed)
store.Store.append = append_
"""


def plant(image: Path, patch: str) -> None:
    """Put a patch into a provisioned board's flash."""
    board = load(BOARD)
    main = files_in_flash.files(image, board)[MAIN].decode()
    assert AFTER in main
    planted = AFTER + indent(patch, " " * 8)
    files_in_flash.change(image, board, write={MAIN: main.replace(AFTER, planted).encode()})
