"""Third stage: a report is signed and encrypted; what comes out may touch flash and air."""

from envelope import cose
from envelope.errors import FaultDetected
from envelope.labels import DIRECTION_UP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from node.keychain import Keychain
    from node.randomness import Randomness


class Sealer:
    """Seals under the node's current epoch, from the node to the collector."""

    def __init__(self, keychain: "Keychain", randomness: "Randomness", direction: int = DIRECTION_UP) -> None:
        self._direction = direction
        self.keychain = keychain
        self._drbg = randomness.drbg

    def seal(self, report: bytes) -> "Iterable[bytes]":
        """The sealed messages that are there now: this one's. What failed its own check is computed again, once."""
        try:
            return (self.seal_once(report),)
        except FaultDetected:
            return (self.seal_once(report),)

    def seal_once(self, report: bytes) -> bytes:
        """Return the sealed message."""
        # Spent first, whatever happens after; and only then it is sure which epoch it is
        keychain = self.keychain
        sequence = keychain.spend()
        return cose.seal(
            report,
            keychain.epoch_keys,
            keychain.epoch,
            self._direction,
            sequence,
            keychain.node_id,
            keychain.collector_id,
            keychain.secrets.private,
            self._drbg,
        )
