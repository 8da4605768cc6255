"""Third stage: a report is signed and encrypted; what comes out may touch flash and air."""

from envelope import cose, keys
from envelope.errors import FaultDetected
from envelope.labels import DIRECTION_UP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from node.counter import Counter
    from node.keystore import Secrets
    from node.randomness import Randomness


class Sealer:
    """Seals under the node's current epoch, from the node to the collector."""

    def __init__(self, secrets: "Secrets", counter: "Counter", randomness: "Randomness") -> None:
        self._private = secrets.private
        self._epoch = secrets.epoch
        self._epoch_keys = keys.epoch(secrets.root, secrets.epoch)
        self._sender = keys.thumbprint(secrets.public)
        self._recipient = keys.thumbprint(secrets.collector)
        self._counter = counter
        self._drbg = randomness.drbg

    def seal(self, report: bytes) -> bytes:
        """Return the sealed message; a computation that failed its own check is done again, once."""
        try:
            return self._seal(report)
        except FaultDetected:
            return self._seal(report)

    def _seal(self, report: bytes) -> bytes:
        # Spent first, whatever happens after
        sequence = self._counter.spend()
        return cose.seal(
            report,
            self._epoch_keys,
            self._epoch,
            DIRECTION_UP,
            sequence,
            self._sender,
            self._recipient,
            self._private,
            self._drbg,
        )
