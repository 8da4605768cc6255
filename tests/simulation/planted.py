"""Bugs for the simulator to find: each a test-only patch of the firmware on a board, or of the city.

A firmware patch is a few lines of MicroPython that run on the board before the node starts; what they replace is as it
would look if somebody had written the node wrongly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from simulated_street import BOARD

from hadeda.board import load
from hadeda.emulator import files_in_flash

MAIN: Final = "/main.py"
AFTER: Final = "from node.main import start  # noqa: E402\n"

# The whole outbox is dropped at every boot, and says that nothing was ever in it
LOSES_REPORTS: Final = """
from node import store
def _found(self):
    for name in list(self._files.names(store.FOLDER)):
        self._files.remove(store.FOLDER + "/" + name)
    return []
store.Store._found = _found
def row(self):
    return [self.next & 0xFFFF, self.next - 1 - self.base]
store.Store.row = row
"""

# The sequence counter begins again where its block began
REPEATS_NUMBERS: Final = """
from node import counter
init = counter.Counter.__init__
def __init__(self, nvs, retained, kid):
    init(self, nvs, retained, kid)
    self._next = max(0, self._limit - counter.BLOCK)
counter.Counter.__init__ = __init__
"""

# A report is made and sealed once more, with another number, as if the first one had not been kept
RELEASES_TWICE: Final = """
from node import pipeline
once = pipeline.Pipeline._report
def _report(self, *arguments):
    once(self, *arguments)
    if self.store.next % 4 == 0:
        once(self, *arguments)
pipeline.Pipeline._report = _report
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

# A command's number is not remembered
REPEATS_ORDERS: Final = """
from node import keychain
def forget(self, *arguments, **named):
    pass
keychain.Keychain.accept_command = forget
keychain.Keychain.finish_command = forget
"""

# After a failed session the sender rests for a week
GIVES_UP: Final = """
from node import send
def pause_ms(self, failures):
    return 604800000
send.Sender.pause_ms = pause_ms
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
from node import seal
sealed = seal.Sealer.seal
def seal_(self, report):
    with open("/backup", "wb") as file:
        file.write(self._keychain.secrets.root)
    return sealed(self, report)
seal.Sealer.seal = seal_
"""

# Something of every window is kept
LEAKS: Final = """
from node import pipeline
kept = []
closed = pipeline.Pipeline._report
def _report(self, *arguments):
    kept.append(bytearray(1500))
    closed(self, *arguments)
pipeline.Pipeline._report = _report
"""


def plant(image: Path, patch: str) -> None:
    """Put a patch into a provisioned board's flash."""
    board = load(BOARD)
    main = files_in_flash.files(image, board)[MAIN].decode()
    assert AFTER in main
    files_in_flash.change(image, board, write={MAIN: main.replace(AFTER, AFTER + patch).encode()})
