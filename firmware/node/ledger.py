"""How much epsilon the node has spent in its ledger day: in NVS before anything is released that cost it.

A ledger day is 86,400 seconds of the node's own running time, the lengths of its windows added up; no calendar is
asked, so nobody refills it by setting a clock, and a node without power gets nothing back. A record that is missing,
damaged or another node's counts as everything spent, for a ledger day; so does one that could not be read. 24 hours may
hold the end of one ledger day and the beginning of the next: they never see more than twice a day's epsilon.

    record = seconds of the day (4 bytes), spent in millionths (4), tag of 8 bytes (two during a change of identity)
"""

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
_BODY = const(8)
_TAG = const(8)


def create(nvs: "Any", node_id: bytes) -> None:
    """Open the ledger of a node that has never released anything."""
    nvs.set(_KEY, _pack(node_id, 0, 0))


def carry_over(nvs: "Any", node_id: bytes, successor: bytes) -> None:
    """Make the ledger of this identity its successor's too, whichever of them the next power-up finds."""
    row = _unpack(node_id, nvs.get(_KEY))
    if row is not None:
        record = _pack(node_id, row[0], row[1])
        nvs.set(_KEY, record + _tag(successor, record[:_BODY]))


def _tag(node_id: bytes, body: bytes) -> bytes:
    return sha256(b"ledger" + node_id + body).digest()[:_TAG]


def _pack(node_id: bytes, elapsed_s: int, spent: int) -> bytes:
    body = elapsed_s.to_bytes(4, "big") + spent.to_bytes(4, "big")
    return body + _tag(node_id, body)


def _unpack(node_id: bytes, record: "bytes | None") -> "tuple[int, int] | None":
    """(seconds of the day, spent) of this node's record, None when it is anything else."""
    if record is None or len(record) not in (_BODY + _TAG, _BODY + 2 * _TAG):
        return None
    body = record[:_BODY]
    if _tag(node_id, body) not in (record[_BODY : _BODY + _TAG], record[_BODY + _TAG :]):
        return None
    return int.from_bytes(body[:4], "big"), int.from_bytes(body[4:], "big")


class Ledger:
    """The ledger of the node that `keychain` says it is. `spent`: millionths in the ledger day, LOST when unknown."""

    def __init__(self, nvs: "Any", keychain: "Keychain") -> None:
        self._nvs = nvs
        self._keychain = keychain
        self._elapsed_s, self.spent = _unpack(keychain.node_id, nvs.get(_KEY)) or (0, LOST)

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
        elapsed_s += window_s
        try:
            self._nvs.set(_KEY, _pack(self._keychain.node_id, elapsed_s, spent))
        except OSError:
            return False
        self._elapsed_s, self.spent = elapsed_s, spent
        return granted
