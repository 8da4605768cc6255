"""The profile's messages: the pinned vector byte by byte, what opens, and everything that does not."""

import json
from binascii import unhexlify

from firmware.opened_ready import OpenedReady

from envelope import aes_ccm, cbor, cose, ecdh_es, ecdsa, keys, labels, p256, padding
from envelope.drbg import Drbg
from envelope.errors import EnvelopeError, Rejected

_PROTECTED_SIGN1 = unhexlify("a10128")
_PROTECTED_ENCRYPT0 = unhexlify("a101181e")


def _vector():
    with open("tests/vectors/hadeda/profile.json") as file:
        return json.load(file)


class _Street:
    """A node, a collector and their keys of one epoch."""

    def __init__(self):
        self.drbg = Drbg(b"a generator for the cose tests...")
        self.private, public = ecdsa.make_key(self.drbg)
        self.verifier = ecdsa.Verifier(public)
        self.node = keys.thumbprint(public)
        self.collector = b"c" * 32
        self.epoch_keys = keys.epoch(b"r" * 32, 9)

    def seal(self, payload=b"\xa1\x01\x02", epoch=9, direction=0, sequence=5):
        return cose.seal(
            payload, self.epoch_keys, epoch, direction, sequence, self.node, self.collector, self.private, self.drbg
        )

    def open(self, sealed, epoch=9, direction=0):
        return cose.open(sealed, self.epoch_keys, epoch, direction, self.node, self.collector, self.verifier)

    def rejects(self, sealed, **other):
        try:
            self.open(sealed, **other)
        except Rejected as rejection:
            assert str(rejection) == "rejected"  # noqa: PT017
            return True
        return False

    def encrypt(self, inner, sequence=5):
        """Encrypt anything as a message of this epoch, as somebody would who has the symmetric keys only."""
        aad = cose.enc_structure(_PROTECTED_ENCRYPT0, cose.external_aad(0, 9, self.epoch_keys.kid, bytes((sequence,))))
        nonce = self.epoch_keys.iv_up[:-1] + bytes((self.epoch_keys.iv_up[-1] ^ sequence,))
        ciphertext = aes_ccm.encrypt(self.epoch_keys.k_up, nonce, inner, aad)
        unprotected = {4: self.epoch_keys.kid, 6: bytes((sequence,)), 10: b"\x09"}
        return cbor.encode(cbor.Tag(16, [_PROTECTED_ENCRYPT0, unprotected, ciphertext]))

    def sign1(self, payload, protected=_PROTECTED_SIGN1, high=False):
        aad = cose.external_aad(0, 9, self.epoch_keys.kid, b"\x05", self.node, self.collector)
        signature = ecdsa.sign(self.private, cose.sig_structure(protected, aad, payload), self.drbg)
        if high:
            signature = signature[:32] + (p256.N - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
        return cbor.encode(cbor.Tag(18, [protected, {}, payload, signature]))


def _check_pinned(vector, message, direction, sender, recipient, public):
    epoch_keys = keys.epoch(unhexlify(vector["roots"][-1]), vector["epoch"])
    pinned = {name: unhexlify(value) for name, value in vector[message].items()}
    partial_iv = b"\x01\x2c"
    sender, recipient = unhexlify(vector[sender]), unhexlify(vector[recipient])
    outer_aad = cose.external_aad(direction, vector["epoch"], epoch_keys.kid, partial_iv)
    inner_aad = cose.external_aad(direction, vector["epoch"], epoch_keys.kid, partial_iv, sender, recipient)
    assert outer_aad == pinned["outer_aad"]
    assert inner_aad == pinned["inner_aad"]
    assert padding.pad(pinned["payload"], labels.PAYLOAD_MIN) == pinned["padded"]
    assert cose.sig_structure(_PROTECTED_SIGN1, inner_aad, pinned["padded"]) == pinned["sig_structure"]
    assert cose.enc_structure(_PROTECTED_ENCRYPT0, outer_aad) == pinned["enc_structure"]
    key, _ = epoch_keys.of_direction(direction)
    assert (
        aes_ccm.encrypt(key, pinned["nonce"], pinned["sign1"], pinned["enc_structure"])
        == pinned["sealed"][-len(pinned["sign1"]) - 16 :]
    )
    assert cose.header(pinned["sealed"]) == (epoch_keys.kid, vector["epoch"], vector["sequence"])
    verifier = ecdsa.Verifier(unhexlify(vector[public]))
    opened = cose.open(pinned["sealed"], epoch_keys, vector["epoch"], direction, sender, recipient, verifier)
    assert opened == (vector["sequence"], pinned["payload"])


def test_profile_vectors_of_the_uplink():
    _check_pinned(_vector(), "report", 0, "node_id", "collector_id", "identity_public")


def test_profile_vectors_of_the_downlink():
    _check_pinned(_vector(), "letter", 1, "receipt_id", "node_id", "receipt_public")


def test_profile_vectors_of_the_command_in_a_letter():
    vector = _vector()
    pinned = {name: unhexlify(value) for name, value in vector["command"].items()}
    assert cbor.encode([labels.PROFILE, "command", unhexlify(vector["node_id"])]) == pinned["aad"]
    assert cose.sig_structure(_PROTECTED_SIGN1, pinned["aad"], pinned["payload"]) == pinned["sig_structure"]
    verifier = ecdsa.Verifier(unhexlify(vector["command_public"]))
    assert cose.open_sign1(pinned["message"], pinned["aad"], verifier) == pinned["payload"]
    letter = cbor.decode(unhexlify(vector["letter"]["payload"]))
    assert letter[labels.LETTER_COMMAND] == pinned["message"]


def test_profile_vectors_of_the_rekey_message():
    vector = _vector()
    pinned = {name: unhexlify(value) for name, value in vector["rekey"].items() if name != "epoch"}
    collector = unhexlify(vector["collector_private"]), unhexlify(vector["collector_public"])
    opened = OpenedReady(pinned["message"], collector, unhexlify(vector["identity_public"]))
    assert opened.epoch == vector["rekey"]["epoch"]
    assert cbor.encode(opened.fields) == pinned["payload"]
    assert opened.fields[labels.READY_NONCE] == pinned["nonce"]
    assert opened.identity == pinned["identity_public"]
    names = (
        "z",
        "content_key",
        "iv",
        "enc_structure",
        "inner_aad",
        "sig_structure",
        "sign1",
        "padded",
        "root",
        "node_id",
    )
    for name in names:
        assert getattr(opened, name) == pinned[name], name
    assert ecdh_es.kdf_context() == pinned["kdf_context"]
    assert ecdh_es.content_key(opened.z) == pinned["content_key"]
    assert ecdh_es.enc_structure(cbor.encode([labels.PROFILE, "ready"])) == pinned["enc_structure"]
    assert keys.epoch(opened.root, opened.epoch).kid == pinned["kid"]


def test_profile_vectors_of_the_enrolment():
    vector = _vector()
    aad = cbor.encode([labels.PROFILE, "enrol"])
    assert aad == unhexlify(vector["enrolment"]["aad"])
    payload, message = unhexlify(vector["enrolment"]["payload"]), unhexlify(vector["enrolment"]["message"])
    assert cose.sig_structure(_PROTECTED_SIGN1, aad, payload) == unhexlify(vector["enrolment"]["sig_structure"])
    assert cose.open_sign1(message, aad, ecdsa.Verifier(unhexlify(vector["identity_public"]))) == payload
    made = cose.enrol(payload, unhexlify(vector["identity_private"]), Drbg(b"any other randomness at all....."))
    assert made[:-64] == message[:-64]
    assert made[-64:] != message[-64:]
    assert cose.open_sign1(made, aad, ecdsa.Verifier(unhexlify(vector["identity_public"]))) == payload


def test_sealed_messages_open_with_their_sequence_number():
    street = _Street()
    for sequence in (0, 1, 255, 256, 65535, (1 << 40) - 1):
        sealed = street.seal(sequence=sequence)
        assert cose.header(sealed) == (street.epoch_keys.kid, 9, sequence)
        assert street.open(sealed) == (sequence, b"\xa1\x01\x02")


def test_a_report_of_128_bytes_seals_into_256():
    street = _Street()
    report = cbor.encode({1: bytes(124)})
    assert len(report) == 128
    street.epoch_keys = keys.epoch(b"r" * 32, (1 << 32) - 1)
    sealed = street.seal(report, epoch=(1 << 32) - 1, sequence=(1 << 40) - 1)
    assert len(sealed) <= 256


def test_length_depends_on_the_padded_length_only():
    street = _Street()
    lengths = [len(street.seal(cbor.encode({1: bytes(size)}))) for size in (1, 10, 90, 124, 125, 150)]
    assert lengths[0] == lengths[1] == lengths[2] == lengths[3]
    assert lengths[3] + 32 == lengths[4] == lengths[5]


def test_every_flipped_bit_is_rejected():
    street = _Street()
    sealed = street.seal()
    for at in range(len(sealed)):
        flipped = bytearray(sealed)
        flipped[at] ^= 1 << at % 8
        assert street.rejects(bytes(flipped)), at
    for size in range(len(sealed)):
        assert street.rejects(sealed[:size])
    assert street.rejects(sealed + b"\x00")


def test_a_message_opens_for_its_direction_epoch_and_parties_only():
    street = _Street()
    sealed = street.seal()
    assert street.rejects(sealed, direction=1)
    assert street.rejects(sealed, epoch=8)
    street.node, street.collector = street.collector, street.node
    assert street.rejects(sealed)
    street.node, street.collector = street.collector, street.node
    street.epoch_keys = keys.epoch(b"s" * 32, 9)
    assert street.rejects(sealed)


def test_a_signature_of_another_key_is_rejected():
    street = _Street()
    sealed = street.seal()
    street.verifier = ecdsa.Verifier(ecdsa.make_key(street.drbg)[1])
    assert street.rejects(sealed)


def test_who_has_the_symmetric_keys_alone_gets_nothing_in():
    street = _Street()
    payload = padding.pad(b"\xa1\x01\x02")
    assert not street.rejects(street.encrypt(street.sign1(payload)))
    assert street.rejects(street.encrypt(street.sign1(payload)[:-64] + bytes(64)))
    assert street.rejects(street.encrypt(street.sign1(payload)[1:]))
    assert street.rejects(street.encrypt(street.sign1(payload, high=True)))
    assert street.rejects(street.encrypt(street.sign1(payload, protected=unhexlify("a10126"))))
    assert street.rejects(street.encrypt(street.sign1(payload, protected=b"")))
    assert street.rejects(street.encrypt(street.sign1(b"\xa1\x01\x02")))
    assert street.rejects(street.encrypt(payload))
    assert street.rejects(street.encrypt(b""))


def test_headers_of_another_form_are_rejected():
    street = _Street()
    _, unprotected, ciphertext = cbor.decode(street.seal(), (16,)).value
    kid = unprotected[4]
    for other in (
        {},
        {4: kid, 6: b"\x05"},
        {4: kid, 6: b"\x05", 10: b"\x09", 11: 0},
        {4: kid, 6: b"\x00\x05", 10: b"\x09"},
        {4: kid, 6: b"\x05", 10: b"\x00\x09"},
        {4: kid, 6: b"", 10: b"\x09"},
        {4: kid, 6: b"\x01" * 6, 10: b"\x09"},
        {4: kid, 6: b"\x05", 10: b"\x01" * 5},
        {4: kid, 6: 5, 10: b"\x09"},
        {4: kid + b"\x00", 6: b"\x05", 10: b"\x09"},
        {4: 0, 6: b"\x05", 10: b"\x09"},
        [],
    ):
        assert street.rejects(cbor.encode(cbor.Tag(16, [_PROTECTED_ENCRYPT0, other, ciphertext])))
    good = [_PROTECTED_ENCRYPT0, unprotected, ciphertext]
    assert not street.rejects(cbor.encode(cbor.Tag(16, good)))
    for message in (good, cbor.Tag(18, good), cbor.Tag(16, good[:2]), cbor.Tag(16, {1: 2}), 5, bytes(10)):
        assert street.rejects(cbor.encode(message))
    for protected in (unhexlify("a1011819"), unhexlify("a0"), b"", 0):
        assert street.rejects(cbor.encode(cbor.Tag(16, [protected, unprotected, ciphertext])))
    assert street.rejects(cbor.encode(cbor.Tag(16, [_PROTECTED_ENCRYPT0, unprotected, None])))


def test_messages_beyond_the_limit_are_rejected_before_any_work():
    street = _Street()
    assert street.rejects(bytes(labels.SEALED_MAX + 1))


def test_sequence_and_epoch_beyond_their_field_are_refused():
    street = _Street()
    for other in ({"sequence": 1 << 40}, {"sequence": -1}, {"epoch": 1 << 32}):
        try:
            street.seal(**other)
        except EnvelopeError:
            continue
        raise AssertionError(other)
