"""HMAC-SHA256 and HKDF-SHA256 against Wycheproof, every vector."""

import json
from binascii import unhexlify

from envelope import hkdf
from envelope.errors import KeyInvalid


def _groups(name):
    with open("tests/vectors/wycheproof/" + name) as file:
        return json.load(file)["testGroups"]


def test_hmac_vectors():
    checked = 0
    for group in _groups("hmac_sha256_test.json"):
        size = group["tagSize"] // 8
        for vector in group["tests"]:
            tag = hkdf.hmac(unhexlify(vector["key"]), unhexlify(vector["msg"]))[:size]
            assert (tag == unhexlify(vector["tag"])) == (vector["result"] == "valid"), vector["tcId"]
            checked += 1
    assert checked == 174


def test_hkdf_vectors():
    derived = refused = 0
    for group in _groups("hkdf_sha256_test.json"):
        for vector in group["tests"]:
            prk = hkdf.extract(unhexlify(vector["salt"]), unhexlify(vector["ikm"]))
            try:
                okm = hkdf.expand(prk, unhexlify(vector["info"]), vector["size"])
            except KeyInvalid:
                assert vector["result"] == "invalid", vector["tcId"]
                refused += 1
                continue
            assert vector["result"] == "valid", vector["tcId"]
            assert okm == unhexlify(vector["okm"]), vector["tcId"]
            derived += 1
    assert (derived, refused) == (83, 3)


def test_hmac_key_of_exactly_one_block_is_not_hashed():
    # RFC 2104 section 2: only keys longer than the block are replaced by their hash.
    assert hkdf.hmac(bytes(64), b"x") == hkdf.hmac(b"", b"x")
    assert hkdf.hmac(bytes(65), b"x") != hkdf.hmac(b"", b"x")
