"""AES-CCM against Wycheproof, every vector, and the sizes it refuses."""

import json
from binascii import unhexlify

from envelope import aes_ccm
from envelope.errors import KeyInvalid, Rejected


def _outcome(group, vector):
    """Return "valid" or "invalid" by encrypting and decrypting, or why the vector does not apply."""
    key, nonce, aad = unhexlify(vector["key"]), unhexlify(vector["iv"]), unhexlify(vector["aad"])
    message, sealed = unhexlify(vector["msg"]), unhexlify(vector["ct"]) + unhexlify(vector["tag"])
    size = group["tagSize"] // 8
    if len(key) == 24:
        return "no AES-192 in cryptolib"
    try:
        opened = aes_ccm.decrypt(key, nonce, sealed, aad, size)
    except (Rejected, KeyInvalid):
        return "invalid"
    matches = opened == message and aes_ccm.encrypt(key, nonce, message, aad, size) == sealed
    return "valid" if matches else "differs"


def test_aes_ccm_vectors():
    with open("tests/vectors/wycheproof/aes_ccm_test.json") as file:
        groups = json.load(file)["testGroups"]
    counts = {}
    for group in groups:
        for vector in group["tests"]:
            outcome = _outcome(group, vector)
            assert outcome == vector["result"] or group["keySize"] == 192, (vector["tcId"], outcome)
            counts[outcome] = counts.get(outcome, 0) + 1
    assert counts == {"valid": 270, "invalid": 98, "no AES-192 in cryptolib": 184}


def test_a_flipped_bit_anywhere_is_rejected():
    key, nonce, aad = b"k" * 16, b"n" * 13, b"bound"
    sealed = aes_ccm.encrypt(key, nonce, b"seventeen bytes..", aad)
    assert len(sealed) == 17 + 16
    assert aes_ccm.decrypt(key, nonce, sealed, aad) == b"seventeen bytes.."
    for at in range(len(sealed)):
        flipped = bytearray(sealed)
        flipped[at] ^= 1 << at % 8
        assert _rejects(key, nonce, bytes(flipped), aad)
    assert _rejects(key, nonce, sealed, b"Bound")
    assert _rejects(key, b"m" + nonce[1:], sealed, aad)
    assert _rejects(key, nonce, sealed[:15], aad)


def _rejects(key, nonce, sealed, aad):
    try:
        aes_ccm.decrypt(key, nonce, sealed, aad)
    except Rejected:
        return True
    return False


def test_messages_of_every_length_around_the_blocks_come_back():
    for size in range(50):
        message = bytes(range(size))
        for aad in (b"", b"a", b"a" * 14, b"a" * 15):
            assert (
                aes_ccm.decrypt(b"k" * 32, b"n" * 7, aes_ccm.encrypt(b"k" * 32, b"n" * 7, message, aad, 8), aad, 8)
                == message
            )


def test_equal_compares_content_and_length():
    assert aes_ccm.equal(b"abc", b"abc")
    assert not aes_ccm.equal(b"abc", b"abd")
    assert not aes_ccm.equal(b"abc", b"ab")
    assert aes_ccm.equal(b"", b"")
