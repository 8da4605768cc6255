"""A node in miniature, for tests: enrols and seals with `cryptography` and `cbor2`, and no code of the host tools.

It is written from the profile's description, so that three pieces of code (this, the node's, the host's opening) have
to agree. Everything it makes can be bent: see the arguments of `seal`.
"""

import os
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
PROFILE = "hadeda-1"
ALG_CCM = cbor2.dumps({1: 30})
ALG_ESP256 = cbor2.dumps({1: -9})


def example_report(**changes: Any) -> dict[int, Any]:
    """Five channels, eight cells with one withheld; `r4={...}` replaces field 4, `r6={...}` adds field 6."""
    report: dict[int, Any] = {
        1: 1_654_041_600,
        2: 900,
        3: 2,
        4: {1: [90, 1834, 52, 61], 2: [90, 6120, 210, 180], 3: [90, 101_325, 12, 9], 4: [88, 81, 20, 33],
            5: [88, 123, 41, 77]},
        5: [12, 30, 7, None, 11, 28, 9, 1],
        7: [1, 61_440, 3, 0, 17],
    }  # fmt: skip
    report.update({int(key[1:]): value for key, value in changes.items()})
    return dict(sorted(report.items()))


CONFIGURATION: dict[str, Any] = {
    "board": "esp32-s3-devkitc-1",
    "version": 1,
    "window_s": 900,
    "wifi": {"ssid": "street", "password": "wifi-secret"},
    "sensors": [
        {"part": "bme280", "bus": "i2c0", "address": 118, "period_s": 10},
        {"part": "pms5003", "bus": "uart1", "period_s": 10},
        {"part": "ld2451", "bus": "uart2", "period_s": 0},
    ],
    "cells": {"classes": ["vehicle"], "directions": ["approaching", "receding"], "speed_bands_kmh": [30, 50, 70]},
}


def dumps(value: Any) -> bytes:
    """Deterministic CBOR."""
    return cbor2.dumps(value, canonical=True)


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Uncompressed public point."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def cose_thumbprint(public: bytes) -> bytes:
    """RFC 9679, written out byte by byte: {1: 2, -1: 1, -2: x, -3: y}."""
    return sha256(b"\xa4\x01\x02\x20\x01\x21\x58\x20" + public[1:33] + b"\x22\x58\x20" + public[33:]).digest()


def shortest(number: int) -> bytes:
    """Big-endian without leading zeros; zero is one byte."""
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")


def sign(key: ec.EllipticCurvePrivateKey, message: bytes, high_s: bool = False) -> bytes:
    """ESP256 signature r || s with s in the lower half, or on purpose in the upper one."""
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    if (s > ORDER // 2) != high_s:
        s = ORDER - s
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def sign1(key: ec.EllipticCurvePrivateKey, payload: bytes, aad: bytes, high_s: bool = False) -> bytes:
    """COSE_Sign1."""
    signature = sign(key, dumps(["Signature1", ALG_ESP256, aad, payload]), high_s)
    return dumps(cbor2.CBORTag(18, [ALG_ESP256, {}, payload, signature]))


class SealingNode:
    """Identity, enrolment and the keys of one epoch."""

    def __init__(self) -> None:
        self.identity = ec.generate_private_key(ec.SECP256R1())
        self.public = point(self.identity)
        self.node_id = cose_thumbprint(self.public)
        self.collector_id = b""
        self.root = b""
        self.keys: dict[str, bytes] = {}

    def enrol(self, collector_public: bytes, nonce: bytes, **changes: Any) -> bytes:
        """The enrolment message; afterwards the node has its keys for epoch 1. `f3="x"` replaces field 3."""
        ephemeral = ec.generate_private_key(ec.SECP256R1())
        self.collector_id = cose_thumbprint(collector_public)
        collector = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), collector_public)
        info = dumps([PROFILE, "root", self.node_id, self.collector_id])
        shared = ephemeral.exchange(ec.ECDH(), collector)
        self.root = HKDF(hashes.SHA256(), 32, salt=nonce, info=info).derive(shared)
        self.derive(1)
        fields = {1: self.public, 2: point(ephemeral), 3: "esp32-s3-devkitc-1", 4: "0.1.0", 5: nonce,
                  6: self.collector_id}  # fmt: skip
        fields.update({int(key[1:]): value for key, value in changes.items()})
        return sign1(self.identity, dumps(fields), dumps([PROFILE, "enrol"]))

    def derive(self, epoch: int) -> None:
        """Set the keys of `epoch` from the root key."""
        material = HKDFExpand(hashes.SHA256(), 62, dumps([PROFILE, "epoch", epoch])).derive(self.root)
        cuts = {"kid": (0, 4), "key": (4, 20), "iv": (20, 33)}
        self.keys = {name: material[start:end] for name, (start, end) in cuts.items()}

    def seal(
        self,
        report: Mapping[int, Any] | bytes,
        sequence: int,
        *,
        epoch: int = 1,
        direction: int = 0,
        high_s: bool = False,
        signer: ec.EllipticCurvePrivateKey | None = None,
        recipient: bytes | None = None,
        padding: bytes | None = None,
    ) -> bytes:
        """The sealed message of a report (a map, or bytes to stand for its encoding)."""
        payload = report if isinstance(report, bytes) else dumps(report)
        payload += bytes(-len(payload) % 32) if padding is None else padding
        bound = [PROFILE, direction, epoch, self.keys["kid"], shortest(sequence)]
        inner = [*bound, self.node_id, self.collector_id if recipient is None else recipient]
        return self.encrypt(sign1(signer or self.identity, payload, dumps(inner), high_s), sequence, epoch, direction)

    def encrypt(self, plaintext: bytes, sequence: int, epoch: int = 1, direction: int = 0) -> bytes:
        """COSE_Encrypt0 around any plaintext."""
        kid, partial_iv = self.keys["kid"], shortest(sequence)
        nonce = bytes(a ^ b for a, b in zip(self.keys["iv"], partial_iv.rjust(13, b"\0"), strict=True))
        aad = dumps(["Encrypt0", ALG_CCM, dumps([PROFILE, direction, epoch, kid, partial_iv])])
        ciphertext = AESCCM(self.keys["key"], tag_length=16).encrypt(nonce, plaintext, aad)
        return dumps(cbor2.CBORTag(16, [ALG_CCM, {4: kid, 6: partial_iv, 10: shortest(epoch)}, ciphertext]))


def enrolled(city: Any, name: str = "corner", configuration: Mapping[str, Any] = CONFIGURATION) -> SealingNode:
    """A node that went through enrolment with `city`."""
    node, nonce = SealingNode(), os.urandom(16)
    city.enrol(node.enrol(city.collector_public, nonce), nonce, name=name, configuration=configuration)
    return node
