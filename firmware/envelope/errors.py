"""What can go wrong inside the envelope, as one tree:

    EnvelopeError
    |-- CborError      malformed, not canonical, or beyond a limit; on encoding: a type the profile has no place for
    |-- KeyInvalid     a private key out of range, a public key that is no point of the curve, a size AES-CCM forbids
    |-- EntropyError   a random generator seeded with too little, or asked for too much
    |-- FaultDetected  a computation failed its own check; its result was thrown away
    `-- Rejected       a message that does not open; a stranger sees only this, `reason` is for the local log

The rest of the node has a tree of its own (node/errors.py).
"""


class EnvelopeError(Exception):
    """Root of everything the envelope raises on purpose."""


class CborError(EnvelopeError):
    """CBOR that the profile does not allow."""


class KeyInvalid(EnvelopeError):
    """A key, nonce or size that must not be used."""


class EntropyError(EnvelopeError):
    """A misuse of the random generator."""


class FaultDetected(EnvelopeError):
    """A result that failed its check (a flipped bit, a glitch) and was not let out."""


class Rejected(EnvelopeError):
    """A sealed message that does not open. `str()` never tells why, `reason` does (log and quarantine only)."""

    def __init__(self, reason: str) -> None:
        super().__init__("rejected")
        self.reason = reason
