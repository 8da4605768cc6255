"""ECDSA P-256 with SHA-256 against Wycheproof: every one of the 262 vectors applies."""

import json
from binascii import unhexlify

from envelope import ecdsa


def test_ecdsa_verify_vectors():
    with open("tests/vectors/wycheproof/ecdsa_secp256r1_sha256_p1363_test.json") as file:
        groups = json.load(file)["testGroups"]
    counts = {"valid": 0, "invalid": 0}
    for group in groups:
        verifier = ecdsa.Verifier(unhexlify(group["publicKey"]["uncompressed"]))
        for vector in group["tests"]:
            valid = verifier.verify(unhexlify(vector["msg"]), unhexlify(vector["sig"]))
            assert valid == (vector["result"] == "valid"), vector["tcId"]
            counts[vector["result"]] += 1
    assert counts == {"valid": 173, "invalid": 89}
