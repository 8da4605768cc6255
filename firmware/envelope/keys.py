"""The key schedule: one root per enrolment or re-key, five values per epoch, and the root of the next epoch.

Every derivation is an HKDF with CBOR([profile, purpose, ...]) as its info, so no two can meet.
"""

from hashlib import sha256

from envelope import cbor, hkdf
from envelope.errors import KeyInvalid
from envelope.labels import DIRECTION_DOWN, IV_SIZE, KEY_SIZE, KID_SIZE, PROFILE, PUBLIC_KEY_SIZE

ROOT_SIZE = 32


class EpochKeys:
    """What one epoch needs: kid (4 bytes), and per direction an AES key (16 bytes) and an IV (13 bytes)."""

    def __init__(self, okm: bytes) -> None:
        at = 0
        parts = []
        for size in (KID_SIZE, KEY_SIZE, IV_SIZE, KEY_SIZE, IV_SIZE):
            parts.append(okm[at : at + size])
            at += size
        self.kid, self.k_up, self.iv_up, self.k_down, self.iv_down = parts

    def of_direction(self, direction: int) -> tuple[bytes, bytes]:
        """Return (key, IV) of a direction: whatever the node seals is under those of the one up."""
        return (self.k_down, self.iv_down) if direction == DIRECTION_DOWN else (self.k_up, self.iv_up)


def thumbprint(public: bytes) -> bytes:
    """Return the COSE Key Thumbprint (RFC 9679) of a 65-byte P-256 point, 32 bytes."""
    if len(public) != PUBLIC_KEY_SIZE or public[0] != 4:
        raise KeyInvalid("a public key is 65 bytes, uncompressed")
    return sha256(cbor.encode({1: 2, -1: 1, -2: public[1:33], -3: public[33:]})).digest()


def root(z: bytes, nonce: bytes, node_id: bytes, collector_id: bytes) -> bytes:
    """Return the first root key of a chain (32 bytes) from the ECDH secret `z`, a nonce and both thumbprints."""
    info = cbor.encode([PROFILE, "root", node_id, collector_id])
    return hkdf.expand(hkdf.extract(nonce, z), info, ROOT_SIZE)


def epoch(root_key: bytes, number: int) -> EpochKeys:
    """Return the keys of epoch `number` (from 1) under its root key."""
    info = cbor.encode([PROFILE, "epoch", number])
    return EpochKeys(hkdf.expand(root_key, info, KID_SIZE + 2 * (KEY_SIZE + IV_SIZE)))


def next_root(root_key: bytes) -> bytes:
    """Return the root key of the next epoch (32 bytes); the caller erases the old one."""
    return hkdf.expand(root_key, cbor.encode([PROFILE, "next"]), ROOT_SIZE)
