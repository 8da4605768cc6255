"""A city and a node for targets of the host's side: the same keys in every process, so that inputs can be kept.

Signatures are believed, so that an input gets behind them: who guesses has the node's keys, or a bug to thank.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric import ec
from host.sealing import SealingNode, cose_thumbprint, dumps, point

from hadeda.envelope import Candidate, EpochKeys, cose

NONCE = b"nonce of 16 byte"
_CURVE_BITS = 256


def fixed_key(number: int) -> ec.EllipticCurvePrivateKey:
    """A private key that is the same today and tomorrow."""
    digest = hashlib.sha256(b"fuzz" + number.to_bytes(4, "big")).digest()
    return ec.derive_private_key(int.from_bytes(digest, "big") >> 1, ec.SECP256R1())


@contextmanager
def fixed_keys() -> Iterator[None]:
    """Within it keys that are made anew come from a row that starts over every time."""
    numbers = itertools.count(1)
    with patch.object(ec, "generate_private_key", lambda _curve: fixed_key(next(numbers))):
        yield


@contextmanager
def believing() -> Iterator[None]:
    """Within it every signature of the right form holds."""
    with patch.object(cose, "verify_raw", lambda _signature, _signed, _public: None):
        yield


def signed(payload: bytes) -> bytes:
    """A COSE_Sign1 around these bytes, for who believes it."""
    from hadeda.envelope import strict_cbor

    return strict_cbor.tagged(18, [cose.SIGN1_PROTECTED, {}, payload, bytes(64)])


def enrolled_node() -> tuple[SealingNode, ec.EllipticCurvePrivateKey]:
    """A node in its epoch 1, and the collector's key; without a city."""
    with fixed_keys():
        node = SealingNode()
        collector = ec.generate_private_key(ec.SECP256R1())
        node.enrol(point(collector), NONCE)
    return node, collector


def candidate(node: SealingNode) -> Candidate:
    """What the city's registry would say of it."""
    keys = EpochKeys(*(node.keys[name] for name in ("kid", "key", "iv", "down_key", "down_iv")))
    return Candidate(node.node_id, node.public, node.collector_id, node.epoch, keys)


def ready_fields(node: SealingNode, ephemeral: ec.EllipticCurvePrivateKey, **more: Any) -> bytes:
    """The content of a ready message; `f7=b"..."` adds field 7."""
    fields: dict[int, Any] = {1: 65, 2: node.node_id, 3: point(ephemeral), 4: NONCE, 5: node.collector_id, 6: 0}
    fields.update({int(name[1:]): value for name, value in more.items()})
    return dumps(fields)


def identities(*nodes: SealingNode) -> Callable[[bytes], bytes | None]:
    """Who is known, by thumbprint."""
    known = {cose_thumbprint(node.public): node.public for node in nodes}
    return known.get
