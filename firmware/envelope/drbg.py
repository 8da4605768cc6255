"""HMAC-DRBG with SHA-256 (NIST SP 800-90A section 10.1.2): the one source of keys, nonces, blinds and noise."""

from envelope import hkdf
from envelope.errors import EntropyError

ENTROPY_MIN = 32
REQUEST_MAX = 4096
STATE_SIZE = 64
_FIRST_KEY = hkdf.pads(bytes(hkdf.HASH_SIZE))


class Drbg:
    """A generator seeded with `entropy` (at least 32 bytes) and an optional personalisation string."""

    def __init__(self, entropy: bytes, personal: bytes = b"") -> None:
        self._key = _FIRST_KEY
        self._value = b"\x01" * hkdf.HASH_SIZE
        self._absorb(entropy, personal)

    def reseed(self, entropy: bytes) -> None:
        """Mix fresh entropy (at least 32 bytes) into the state; EntropyError when there is less."""
        self._absorb(entropy, b"")

    def generate(self, n: int) -> bytes:
        """Return `n` random bytes (at most 4096); the state moves on, so past output cannot be recomputed."""
        out = self.last(n)
        self._update(b"")
        return out

    def last(self, n: int) -> bytes:
        """Return what `generate` would, and leave the state where that can be recomputed: throw the generator away."""
        if not 0 <= n <= REQUEST_MAX:
            raise EntropyError(f"a request is at most {REQUEST_MAX} bytes")
        out = b""
        while len(out) < n:
            self._value = hkdf.hmac_padded(self._key, self._value)
            out += self._value
        return out[:n]

    def state(self) -> bytes:
        """Return 64 bytes to carry over a reset.

        They seed a successor and do not describe this generator: whoever reads them later cannot compute what
        it still hands out. After `restore`, store a new state *before* the first use: one state starts one life.
        """
        return self.generate(STATE_SIZE)

    @staticmethod
    def restore(state: bytes) -> "Drbg":
        """Return the generator that continues from a stored `state()`; EntropyError when it has another size."""
        if len(state) != STATE_SIZE:
            raise EntropyError(f"a stored state is {STATE_SIZE} bytes")
        return Drbg(state, b"hadeda restored")

    def _absorb(self, entropy: bytes, personal: bytes) -> None:
        if len(entropy) < ENTROPY_MIN:
            raise EntropyError(f"seed with {ENTROPY_MIN} bytes at least")
        self._update(entropy + personal)

    def _update(self, provided: bytes) -> None:
        for separator in (b"\x00", b"\x01") if provided else (b"\x00",):
            self._key = hkdf.pads(hkdf.hmac_padded(self._key, b"".join((self._value, separator, provided))))
            self._value = hkdf.hmac_padded(self._key, self._value)
