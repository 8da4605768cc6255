"""Third stage where a chip signs: what it does not sign now waits in memory until it does, and is sealed then.

Nothing of it touches the flash, so it is gone with the power or a deep sleep. While the chip fails it is asked once a
window whether it is there and the right one: one that is not costs no sequence number, one that signs wrongly one a
window. The report that ends the wait says what was wrong, as faults of a sensor in the place
labels.FAULT_PLACE_IDENTITY.
"""

from micropython import const

from envelope import cbor
from envelope.errors import FaultDetected
from envelope.labels import FAULT_IMPLAUSIBLE, FAULT_PLACE_IDENTITY, REPORT_FAULTS, REPORT_OUTBOX
from node.sample import FAULT_COUNT_MAX, FAULT_KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from elements.signer import Signer
    from node.seal import Sealer

WAITING_MAX = const(8)


class PatientSealer:
    """Seals what waits, oldest first. `row` is Store.row: a report's index is that under which it will be stored."""

    def __init__(self, sealer: "Sealer", signer: "Signer", row: "Callable[[], list[int]]") -> None:
        self._sealer = sealer
        self._signer = signer
        self._row = row
        self._waiting: list[bytes] = []
        self._faults: dict[int, int] = {}

    def seal(self, report: bytes) -> "Iterator[bytes]":
        """The sealed messages that are there now, each made when the one before is stored; none while nobody signs."""
        waiting = self._waiting
        waiting.append(report)
        behind = len(waiting) > 1
        try:
            if self._faults:
                self._signer.check(self._sealer.keychain.secrets.private)
            while waiting:
                sealed = self._sealer.seal_once(self._told_now(waiting[0]) if behind else report)
                waiting.pop(0)
                self._faults = {}
                yield sealed
        except FaultDetected as error:
            if len(waiting) > WAITING_MAX:
                waiting.pop(0)
                print("hadeda: report lost, too many wait for the chip that has the identity key")
            code = FAULT_KINDS * FAULT_PLACE_IDENTITY + getattr(error, "kind", FAULT_IMPLAUSIBLE)
            self._faults[code] = min(FAULT_COUNT_MAX, self._faults.get(code, 0) + 1)
            print(f"hadeda: the chip that has the identity key fails: {error}; {len(waiting)} reports wait")

    def _told_now(self, report: bytes) -> bytes:
        """A report that waited, with the index and the gaps of now, and with what the chip had."""
        told: Any = cbor.decode(report)
        told[REPORT_OUTBOX] = self._row()
        if self._faults:
            told.setdefault(REPORT_FAULTS, {}).update(self._faults)
        return cbor.encode(told)
