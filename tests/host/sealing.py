"""A node in miniature, for tests, with `cryptography` and `cbor2` and no code of the host tools but `record`.

It enrols, seals, ratchets, re-keys, opens letters and checks commands. It is written from the profile's description,
so that three pieces of code (this, the node's, the host's) have to agree. Everything it makes can be bent: see the
arguments of `seal` and `rekey`. Keeping what it should have erased is on purpose: an attacker would.
"""

import os
import struct
from collections.abc import Mapping
from copy import copy
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hadeda.registry.policies import record

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
PROFILE = "hadeda-1"
ALG_CCM = cbor2.dumps({1: 30})
ALG_ESP256 = cbor2.dumps({1: -9})
ALG_ECDH = cbor2.dumps({1: -25})


OUTBOX = 12
SOME_PLACE = [1, 0]  # in the outbox; SealingNode.seal puts the next one in its place


def example_report(**changes: Any) -> dict[int, Any]:
    """Five channels, eight cells with one withheld; `r4={...}` replaces field 4, `r6={...}` adds field 6.

    A list as field 5 stands for its cells.
    It is made under version 2 of the city's policy, which `record_policy` signs: eight cells, k = 5, epsilon 0.5.
    """
    report: dict[int, Any] = {
        1: 1_654_041_600,
        2: 900,
        3: 2,
        4: {1: [90, 1834, 52, 61], 2: [90, 6120, 210, 180], 3: [90, 101_325, 12, 9], 4: [88, 81, 20, 33],
            5: [88, 123, 41, 77]},
        5: [12, 30, 7, -1, 11, 28, 9, 5],
        7: [1, 60, 0, 17],
        10: [2, 500_000, 1_500_000, 1],
        12: SOME_PLACE,
    }  # fmt: skip
    report.update({int(key[1:]): value for key, value in changes.items()})
    if isinstance(report[5], list):
        report[5] = cells(report[5])
    return dict(sorted(report.items()))


def cells(counts: list[int]) -> bytes:
    """Counts and reasons (-1 to -4) as a report has them: two bytes each."""
    return struct.pack(f">{len(counts)}H", *(count % 65_536 for count in counts))


CONFIGURATION: dict[str, Any] = {
    "board": "esp32-s3-devkitc-1",
    "version": 3,
    "wifi": {"ssid": "street", "password": "wifi-secret"},
    "sensors": [
        {"part": "bme280", "bus": "i2c0", "address": 118, "period_s": 10},
        {"part": "pms5003", "bus": "uart1", "period_s": 10},
        {"part": "ld2451", "bus": "uart2", "period_s": 0},
    ],
}


def policy_map(city: bytes, **changes: Any) -> dict[int, Any]:
    """Version 2: windows of 900 s, six channels, eight cells, k = 5, epsilon 0.5; `p6=3` replaces k."""
    policy: dict[int, Any] = {
        1: city, 2: 2, 3: 900, 4: [1, 2, 3, 4, 5, 6],
        5: {1: ["vehicle"], 2: ["approaching", "receding"], 3: [30, 50, 70]},
        6: 5, 7: 500_000, 8: 48_000_000, 9: "test",
    }  # fmt: skip
    policy.update({int(key[1:]): value for key, value in changes.items()})
    return policy


def signed_policy(city: Any, **changes: Any) -> bytes:
    """A policy of `city`, signed with its policy key; `p2=3` makes it version 3."""
    key = city.keyring.private(4)
    return sign1(key, dumps(policy_map(cose_thumbprint(point(key)), **changes)), dumps([PROFILE, "policy"]))


def floor_map(**changes: Any) -> dict[int, Any]:
    """Version 1: windows of 300 s or more, k at least 3, epsilon at most 1 and 96; `f2=5` replaces k."""
    floor: dict[int, Any] = {1: 300, 2: 3, 3: 1_000_000, 4: 96_000_000, 5: [], 6: [1], 7: 1}
    floor.update({int(key[1:]): value for key, value in changes.items()})
    return floor


def record_policy(city: Any, **changes: Any) -> bytes:
    """Sign a policy and let the city's registry know it, as `hadeda policy sign` does; returns it."""
    signed = signed_policy(city, **changes)
    with city.database.write() as session:
        record(session, signed, city.keyring.public(4))
    return signed


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


def pad(payload: bytes, least: int = 0) -> bytes:
    """Zeros up to whole blocks of 32 bytes, `least` at least."""
    return payload.ljust(max(least, -(-len(payload) // 32) * 32), b"\0")


def public_key(public: bytes) -> ec.EllipticCurvePublicKey:
    """Of an uncompressed point."""
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)


def open_sign1(message: bytes, aad: bytes, public: bytes) -> bytes:
    """The payload of a COSE_Sign1 whose signature holds and is low; raises InvalidSignature."""
    tag = cbor2.loads(message)
    protected, unprotected, payload, signature = tag.value
    assert (tag.tag, protected, unprotected) == (18, ALG_ESP256, {})
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if s > ORDER // 2:
        raise InvalidSignature
    signed = dumps(["Signature1", ALG_ESP256, aad, payload])
    public_key(public).verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    return bytes(payload)


class SealingNode:
    """Identity, the city's keys by role, and the keys of one epoch; `pending` is the node after its re-key.

    `ready` is the message that began this chain, empty in the first.
    """

    def __init__(self) -> None:
        self.identity = ec.generate_private_key(ec.SECP256R1())
        self.public = point(self.identity)
        self.node_id = cose_thumbprint(self.public)
        self.authorities: dict[int, bytes] = {}
        self.root = b""
        self.epoch = 0
        self.ceiling = 0
        self.keys: dict[str, bytes] = {}
        self.ready = b""
        self.pending: SealingNode | None = None
        self.indexes: dict[tuple[bytes, int], int] = {}  # shared with what becomes of this node

    @property
    def collector_id(self) -> bytes:
        """Thumbprint of the collector's key."""
        return cose_thumbprint(self.authorities[1])

    def enrol(self, collector_public: bytes, nonce: bytes, **changes: Any) -> bytes:
        """The enrolment message; afterwards the node has its keys for epoch 1. `f3="x"` replaces field 3."""
        ephemeral = ec.generate_private_key(ec.SECP256R1())
        self.authorities[1] = collector_public
        self.root = self.agree(ephemeral, nonce)
        self.derive(1)
        fields = {1: self.public, 2: point(ephemeral), 3: "esp32-s3-devkitc-1", 4: "0.1.0", 5: nonce,
                  6: self.collector_id}  # fmt: skip
        fields.update({int(key[1:]): value for key, value in changes.items()})
        return sign1(self.identity, dumps(fields), dumps([PROFILE, "enrol"]))

    def agree(self, ephemeral: ec.EllipticCurvePrivateKey, nonce: bytes) -> bytes:
        """The root key that the collector and this identity agree on."""
        shared = ephemeral.exchange(ec.ECDH(), public_key(self.authorities[1]))
        info = dumps([PROFILE, "root", self.node_id, self.collector_id])
        return HKDF(hashes.SHA256(), 32, salt=nonce, info=info).derive(shared)

    def derive(self, epoch: int) -> None:
        """Set the keys of `epoch` from the root key."""
        material = HKDFExpand(hashes.SHA256(), 62, dumps([PROFILE, "epoch", epoch])).derive(self.root)
        cuts = {"kid": (0, 4), "key": (4, 20), "iv": (20, 33), "down_key": (33, 49), "down_iv": (49, 62)}
        self.keys = {name: material[start:end] for name, (start, end) in cuts.items()}
        self.epoch = epoch

    def ratchet(self, times: int = 1) -> "SealingNode":
        """This node so many epochs later; the one it is called on stays as it is."""
        later = copy(self)
        for _ in range(times):
            later.root = HKDFExpand(hashes.SHA256(), 32, dumps([PROFILE, "next"])).derive(later.root)
        later.derive(self.epoch + times)
        return later

    def seal(
        self,
        report: Mapping[int, Any] | bytes,
        sequence: int,
        *,
        epoch: int | None = None,
        direction: int = 0,
        high_s: bool = False,
        signer: ec.EllipticCurvePrivateKey | None = None,
        recipient: bytes | None = None,
        padding: bytes | None = None,
    ) -> bytes:
        """The sealed message of a report (a map, or bytes to stand for its encoding).

        Where field 12 is SOME_PLACE, a new sequence number gets the next index, with nothing kept before it.
        """
        if not isinstance(report, bytes) and report.get(OUTBOX) is SOME_PLACE:
            index = self.indexes.setdefault((self.root, sequence), len(self.indexes) + 1)
            report = {**report, OUTBOX: [index & 0xFFFF, 0]}
        payload = report if isinstance(report, bytes) else dumps(report)
        payload = pad(payload, 128) if padding is None else payload + padding
        epoch = self.epoch if epoch is None else epoch
        bound = [PROFILE, direction, epoch, self.keys["kid"], shortest(sequence)]
        inner = [*bound, self.node_id, self.collector_id if recipient is None else recipient]
        return self.encrypt(sign1(signer or self.identity, payload, dumps(inner), high_s), sequence, epoch, direction)

    def encrypt(self, plaintext: bytes, sequence: int, epoch: int | None = None, direction: int = 0) -> bytes:
        """COSE_Encrypt0 around any plaintext."""
        kid, partial_iv = self.keys["kid"], shortest(sequence)
        epoch = self.epoch if epoch is None else epoch
        nonce = bytes(a ^ b for a, b in zip(self.keys["iv"], partial_iv.rjust(13, b"\0"), strict=True))
        aad = dumps(["Encrypt0", ALG_CCM, dumps([PROFILE, direction, epoch, kid, partial_iv])])
        ciphertext = AESCCM(self.keys["key"], tag_length=16).encrypt(nonce, plaintext, aad)
        return dumps(cbor2.CBORTag(16, [ALG_CCM, {4: kid, 6: partial_iv, 10: shortest(epoch)}, ciphertext]))

    # --- re-key ------------------------------------------------------------------------------------------------

    def rekey(
        self,
        keys: Mapping[int, bytes] | None = None,
        *,
        new_identity: bool = False,
        command: int = 0,
        epoch: int | None = None,
        signer: ec.EllipticCurvePrivateKey | None = None,
        prover: ec.EllipticCurvePrivateKey | None = None,
        high_s: bool = False,
        **changes: Any,
    ) -> bytes:
        """The re-key message; `pending` is the node as it will be. `f1=7` replaces field 1, None leaves it out."""
        pending = SealingNode() if new_identity else copy(self)
        pending.indexes = self.indexes
        pending.authorities = {**self.authorities, **(keys or {})}
        epoch = max(self.epoch, self.ceiling) + 64 if epoch is None else epoch
        ephemeral, nonce = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)
        pending.root, pending.pending = pending.agree(ephemeral, nonce), None
        pending.derive(epoch)
        pending.ceiling = self.ceiling = epoch
        self.pending = pending
        fields: dict[int, Any] = {1: epoch, 2: self.node_id, 3: point(ephemeral), 4: nonce, 5: pending.collector_id,
                                  6: command}  # fmt: skip
        if new_identity:
            proof = dumps([PROFILE, "identity", self.node_id, pending.public, nonce])
            fields[7], fields[8] = pending.public, sign(prover or pending.identity, proof)
        fields.update({int(key[1:]): value for key, value in changes.items()})
        fields = {label: value for label, value in sorted(fields.items()) if value is not None}
        aad = dumps([PROFILE, "ready", self.node_id, pending.collector_id])
        signed = sign1(signer or self.identity, pad(dumps(fields)), aad, high_s)
        pending.ready = pending.encrypt_to_collector(signed, ephemeral)
        return pending.ready

    def encrypt_to_collector(
        self,
        plaintext: bytes,
        ephemeral: ec.EllipticCurvePrivateKey,
        x: bytes | None = None,
        y: bytes | None = None,
    ) -> bytes:
        """COSE_Encrypt around any plaintext; `x` and `y` stand in for the ephemeral key's own."""
        shared, public = ephemeral.exchange(ec.ECDH(), public_key(self.authorities[1])), point(ephemeral)
        context = dumps([30, [None, None, None], [None, None, None], [128, ALG_ECDH]])
        key, iv = HKDF(hashes.SHA256(), 16, salt=b"", info=context).derive(shared), os.urandom(13)
        aad = dumps(["Encrypt", ALG_CCM, dumps([PROFILE, "ready"])])
        ciphertext = AESCCM(key, tag_length=16).encrypt(iv, plaintext, aad)
        cose_key = {1: 2, -1: 1, -2: public[1:33] if x is None else x, -3: public[33:] if y is None else y}
        return dumps(cbor2.CBORTag(96, [ALG_CCM, {5: iv}, ciphertext, [[ALG_ECDH, {-1: cose_key}, b""]]]))

    # --- what comes down ---------------------------------------------------------------------------------------

    def open_letter(self, sealed: bytes) -> dict[int, Any] | None:
        """The letter's map, or None where it is not for this node and epoch; InvalidSignature is not the city's."""
        tag = cbor2.loads(sealed)
        protected, headers, ciphertext = tag.value
        assert (tag.tag, protected) == (16, ALG_CCM)
        kid, partial_iv = headers[4], headers[6]
        if (kid, headers[10]) != (self.keys["kid"], shortest(self.epoch)):
            return None
        bound = [PROFILE, 1, self.epoch, kid, partial_iv]
        nonce = bytes(a ^ b for a, b in zip(self.keys["down_iv"], partial_iv.rjust(13, b"\0"), strict=True))
        aad = dumps(["Encrypt0", ALG_CCM, dumps(bound)])
        try:
            inner = AESCCM(self.keys["down_key"], tag_length=16).decrypt(nonce, ciphertext, aad)
        except InvalidTag:
            return None
        receipt = self.authorities[2]
        payload = open_sign1(inner, dumps([*bound, cose_thumbprint(receipt), self.node_id]), receipt)
        assert len(payload) % 32 == 0
        assert len(payload) >= 128
        letter: dict[int, Any] = cbor2.loads(payload)
        assert payload == pad(dumps(letter), 128)
        return letter

    def check_command(self, signed: bytes) -> dict[int, Any]:
        """The command's map; raises InvalidSignature."""
        command: dict[int, Any] = cbor2.loads(
            open_sign1(signed, dumps([PROFILE, "command", self.node_id]), self.authorities[3])
        )
        return command


def letter_number(sealed: bytes) -> int:
    """The number of a letter, which is its partial IV."""
    return int.from_bytes(cbor2.loads(sealed).value[1][6], "big")


def enrolled(city: Any, name: str = "corner", configuration: Mapping[str, Any] = CONFIGURATION) -> SealingNode:
    """A node that went through enrolment with `city`, under the policy and the floor of this module."""
    node, nonce = SealingNode(), os.urandom(16)
    node.authorities = dict(city.authorities())
    configuration = {"policy": record_policy(city), "floor": dumps(floor_map()), **configuration}
    city.enrol(node.enrol(city.collector_public, nonce), nonce, name=name, configuration=configuration)
    return node
