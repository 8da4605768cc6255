"""The key schedule, city side: key thumbprints, the root key of an enrolment or re-key, the keys of an epoch.

    Z    = ECDH(collector private key, node's ephemeral public key)
    RK   = HKDF(salt = nonce, Z, [profile, "root", node, collector])         # first of a chain
    kid, K_up, IV_up, K_down, IV_down of epoch e = HKDF-Expand(RK_e, [profile, "epoch", e])
    RK_{e+1} = HKDF-Expand(RK_e, [profile, "next"])

All key material is bytes; the numbers in `info` are CBOR.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hadeda.envelope import labels
from hadeda.envelope.strict_cbor import encode
from hadeda.errors import Rejected

ROOT_KEY_SIZE = 32
CURVE = ec.SECP256R1()
KEYS_KEPT = 16_384


@dataclass(frozen=True)
class EpochKeys:
    """What both sides derive for one epoch. The kid is public; the rest is secret and stays out of every repr."""

    kid: bytes
    key_up: bytes = field(repr=False)
    iv_up: bytes = field(repr=False)
    key_down: bytes = field(repr=False)
    iv_down: bytes = field(repr=False)


def public_point(key: ec.EllipticCurvePublicKey) -> bytes:
    """The uncompressed point 04 || x || y (65 bytes)."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@lru_cache(maxsize=KEYS_KEPT)  # reading a point costs a third of a check, and a city's nodes come again
def load_point(point: bytes) -> ec.EllipticCurvePublicKey:
    """The P-256 key of an uncompressed point; raises Rejected for another length or form, or a point off the curve."""
    if len(point) != labels.PUBLIC_KEY_SIZE or point[0] != 4:
        raise Rejected("public key is not an uncompressed P-256 point")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(CURVE, point)
    except ValueError as error:
        raise Rejected("public key is not on the curve") from error


def thumbprint(point: bytes) -> bytes:
    """COSE key thumbprint (RFC 9679) of an uncompressed P-256 point: 32 bytes."""
    return sha256(encode({1: 2, -1: 1, -2: point[1:33], -3: point[33:65]})).digest()


def root_key(
    collector: ec.EllipticCurvePrivateKey, ephemeral: bytes, nonce: bytes, node_id: bytes, collector_id: bytes
) -> bytes:
    """The first root key of a chain, 32 bytes, from the collector's private key, the ephemeral point and the nonce."""
    shared = collector.exchange(ec.ECDH(), load_point(ephemeral))
    info = encode([labels.PROFILE, "root", node_id, collector_id])
    return HKDF(SHA256(), ROOT_KEY_SIZE, salt=nonce, info=info).derive(shared)


def next_root(root: bytes) -> bytes:
    """RK_{e+1} of RK_e; whoever calls it erases RK_e."""
    return HKDFExpand(SHA256(), ROOT_KEY_SIZE, info=encode([labels.PROFILE, "next"])).derive(root)


def epoch_keys(root: bytes, epoch: int) -> EpochKeys:
    """The keys of `epoch` from its own root key RK_e."""
    sizes = (labels.KID_SIZE, labels.KEY_SIZE, labels.IV_SIZE, labels.KEY_SIZE, labels.IV_SIZE)
    info = encode([labels.PROFILE, "epoch", epoch])
    material = HKDFExpand(SHA256(), sum(sizes), info=info).derive(root)
    parts = []
    for size in sizes:
        parts.append(material[:size])
        material = material[size:]
    return EpochKeys(*parts)
