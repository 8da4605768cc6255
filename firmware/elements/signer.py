"""Identity keys that a secure element has: this stands where envelope.ecdsa does when the node signs with one of them.

Their `private` in the node's secrets is no key but where one is: slot, number of the I2C controller, SCL, SDA, a byte
each. That is all the node needs to find it, whatever becomes of its configuration.

A new key goes into a slot that none of the node's records counts on, so what is current goes on signing until the city
has the new one. What the chip signs is verified before it is let out: by the public key that the city knows, so that
another chip, another key and a slip of the chip's are found here and cost no report.
"""

from hashlib import sha256

from micropython import const

from elements.atecc608 import SLOTS, Atecc608, ElementFault
from envelope import cose, ecdsa, p256
from envelope.errors import FaultDetected, KeyInvalid
from envelope.labels import FAULT_IMPLAUSIBLE
from node.errors import Unprovisioned
from ports import element

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from envelope.p256_comb import Comb
    from node.keystore import KeyStore

_TRIES = const(2)


class Signer:
    """Makes keys and signatures as envelope.ecdsa does; `place` is the bus of the keys that are made.

    `comb` gives the comb of a public key, empty without.
    """

    def __init__(
        self, chip: Atecc608, keystore: "KeyStore", place: bytes, comb: "Callable[[bytes], Comb]" = lambda _: ()
    ) -> None:
        self._comb = comb
        self._chip = chip
        self._keystore = keystore
        self._place = place
        self._public: dict[bytes, bytes] = {}

    def make_key(self, _drbg: "Any") -> "tuple[bytes, bytes]":
        """(where the new key is, its public key, 65 bytes). ElementFault: there is none."""
        taken = [key.private[0] for key in self._keys()]
        slot = min([slot for slot in range(SLOTS) if slot not in taken])
        private = bytes((slot,)) + self._place
        public = b"\x04" + self._chip.make_key(slot)
        p256.decode(public)
        self._public[private] = public
        return private, public

    def sign(self, private: bytes, message: bytes, _drbg: "Any") -> bytes:
        """The signature of `message`, verified. ElementFault after a second failure."""
        public = self._public_of(private)
        digest = sha256(message).digest()
        tries = _TRIES
        while True:
            tries -= 1
            try:
                signature = _low(self._chip.sign(private[0], digest))
                if ecdsa.Verifier(public, self._comb(public)).verify(message, signature):
                    return signature
                raise ElementFault(FAULT_IMPLAUSIBLE, "it signs with another key, or wrongly")
            except FaultDetected:
                if not tries:
                    raise

    def check(self, private: bytes) -> None:
        """ElementFault unless the chip answers, and its slot has the key that the city knows."""
        if b"\x04" + self._chip.public_key(private[0]) != self._public_of(private):
            raise ElementFault(FAULT_IMPLAUSIBLE, "it has another key")

    def _public_of(self, private: bytes) -> bytes:
        if private not in self._public:
            for key in self._keys():
                self._public.setdefault(key.private, key.public)
        if private not in self._public:
            raise KeyInvalid("no such key in the chip")
        return self._public[private]

    def _keys(self) -> "list[Any]":
        """What has a private and a public key in the chip, of all that the key store keeps."""
        found: list[Any] = [self._keystore.load_pending_enrolment()]
        try:
            found.append(self._keystore.load())
        except Unprovisioned:
            pass
        found = [secrets for secrets in found if secrets is not None]
        found.extend([secrets.pending for secrets in found if secrets.pending is not None])
        return [key for key in found if key.private is not None and len(key.private) == 1 + len(self._place)]


def _low(signature: bytes) -> bytes:
    """The same signature with s in the lower half."""
    if ecdsa.is_low(signature):
        return signature
    return signature[:32] + (p256.N - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")


def use(keystore: "KeyStore", place: bytes, comb: "Callable[[bytes], Comb]" = lambda _: ()) -> Signer:
    """Have everything that the identity signs signed by the chip on the bus `place`."""
    signer = Signer(Atecc608(element.open_bus(place), element.wait_ms), keystore, place, comb)
    cose.signer = signer
    return signer
