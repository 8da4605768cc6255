"""How much epsilon the node has spent in its ledger day, and until when it has reported: in NVS before a release.

A ledger day is 86,400 seconds of the node's own running time, the lengths of its windows added up; no calendar is
asked, so nobody refills it by setting a clock, and a node without power gets nothing back. A record that is missing,
damaged or another node's counts as everything spent, for a ledger day; so does one that could not be read. 24 hours may
hold the end of one ledger day and the beginning of the next: they never see more than twice a day's epsilon.

The end of what was reported is where a calendar goes on that a power cut took the time from (node/time_sync.py). It
costs no write of its own here.

    record = seconds of the day (4 bytes), spent in millionths (4), end of what was reported in Unix seconds (4),
             1 where the calendar had been set since the power came (1), tag of 8 bytes (two while the identity
             changes)
"""

import struct
from hashlib import sha256

from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from node.keychain import Keychain

# What is reported as spent while nobody knows how much it was
LOST = 0x7FFFFFFF

_KEY = "ledger"
_DAY_S = const(86400)
_FORM = ">IIIB"
_BODY = const(13)
_TAG = const(8)


def create(nvs: "Any", node_id: bytes) -> None:
    """Open the ledger of a node that has never released anything."""
    nvs.set(_KEY, _pack(node_id, (0, 0, 0, 0)))


def carry_over(nvs: "Any", node_id: bytes, successor: bytes) -> None:
    """Make the ledger of this identity its successor's too, whichever of them the next power-up finds."""
    row = _unpack(node_id, nvs.get(_KEY))
    if row is not None:
        record = _pack(node_id, row)
        nvs.set(_KEY, record + _tag(successor, record[:_BODY]))


def _tag(node_id: bytes, body: bytes) -> bytes:
    return sha256(b"ledger" + node_id + body).digest()[:_TAG]


def _pack(node_id: bytes, row: "tuple[int, int, int, int]") -> bytes:
    body = struct.pack(_FORM, *row)
    return body + _tag(node_id, body)


def _unpack(node_id: bytes, record: "bytes | None") -> "Any":
    """(seconds of the day, spent, end, 1 or 0) of this node's record, None when it is anything else."""
    if record is None or len(record) not in (_BODY + _TAG, _BODY + 2 * _TAG):
        return None
    body = record[:_BODY]
    if _tag(node_id, body) not in (record[_BODY : _BODY + _TAG], record[_BODY + _TAG :]):
        return None
    return struct.unpack(_FORM, body)


class Ledger:
    """The ledger of the node that `keychain` says it is. `spent`: millionths in the ledger day, LOST when unknown.

    `end_s` and `clock_set` are written with whatever is written next, for whoever sets them.
    """

    def __init__(self, nvs: "Any", keychain: "Keychain") -> None:
        self._nvs = nvs
        self._keychain = keychain
        row = _unpack(keychain.node_id, nvs.get(_KEY)) or (0, LOST, 0, 0)
        self._elapsed_s: int = row[0]
        self.spent: int = row[1]
        self.end_s: int = row[2]
        self.clock_set = bool(row[3])

    def spend(self, epsilon: int, epsilon_day: int, window_s: int) -> bool:
        """Account for a window of this length; True when `epsilon` is spent for it, in flash, and it may be released.

        An epsilon of 0 is never granted: nothing is released for nothing. False too when flash does not take it.
        """
        elapsed_s, spent = self._elapsed_s, self.spent
        if elapsed_s >= _DAY_S:
            elapsed_s = spent = 0
        granted = 0 < epsilon <= epsilon_day - spent
        if granted:
            spent += epsilon
        return self._save(elapsed_s + window_s, spent) and granted

    def keep_time(self) -> None:
        """Write `end_s` and `clock_set` now, where waiting for the next window would lose them."""
        self._save(self._elapsed_s, self.spent)

    def _save(self, elapsed_s: int, spent: int) -> bool:
        """False when flash does not take it; what is in memory stays then."""
        row = elapsed_s, spent, self.end_s, int(self.clock_set)
        try:
            self._nvs.set(_KEY, _pack(self._keychain.node_id, row))
        except OSError:
            return False
        self._elapsed_s, self.spent = elapsed_s, spent
        return True
