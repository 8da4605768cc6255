"""Where the city's random bytes come from: the system's generator, or in a simulation, to be repeatable, a seed.

    with randomness.seeded(7):
        ...             # every key, nonce and password made in here can be computed by whoever knows the 7

Only simulations and tests do that. What protects a key file on disk (salts) does not pass through here.
"""

import base64
import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from cryptography.hazmat.primitives.asymmetric import ec

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # SP 800-186, 3.2.1.3

_seeded: ContextVar[random.Random | None] = ContextVar("seeded", default=None)


@contextmanager
def seeded(seed: object) -> Iterator[None]:
    """Draw from `seed`, for this thread, while the block runs."""
    token = _seeded.set(random.Random(f"city {seed}"))
    try:
        yield
    finally:
        _seeded.reset(token)


def token_bytes(count: int) -> bytes:
    """`count` random bytes."""
    source = _seeded.get()
    return secrets.token_bytes(count) if source is None else source.randbytes(count)


def password() -> str:
    """A password of 192 bits, in characters that every file and protocol takes."""
    return base64.urlsafe_b64encode(token_bytes(24)).decode()


def below(limit: int) -> int:
    """A random number, 0 <= number < limit."""
    source = _seeded.get()
    return secrets.randbelow(limit) if source is None else source.randrange(limit)


def private_key() -> ec.EllipticCurvePrivateKey:
    """A new key on P-256."""
    if _seeded.get() is None:
        return ec.generate_private_key(ec.SECP256R1())
    return ec.derive_private_key(1 + below(P256_ORDER - 1), ec.SECP256R1())
