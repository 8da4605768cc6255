"""ECDH P-256 against Wycheproof, every vector; compressed points do not apply (the profile has one form)."""

import json
from binascii import unhexlify

from envelope import ecdh
from envelope.drbg import Drbg
from envelope.errors import KeyInvalid


def test_ecdh_vectors():
    with open("tests/vectors/wycheproof/ecdh_secp256r1_ecpoint_test.json") as file:
        groups = json.load(file)["testGroups"]
    generator = Drbg(b"blinds for the wycheproof vectors")
    counts = {}
    for group in groups:
        for vector in group["tests"]:
            # Private keys come as ASN.1 integers: a leading zero byte, or leading zeros left out.
            private = int.from_bytes(unhexlify(vector["private"]), "big").to_bytes(32, "big")
            public = unhexlify(vector["public"])
            try:
                shared = ecdh.agree(private, public, generator)
                outcome = "valid" if shared == unhexlify(vector["shared"]) else "differs"
            except KeyInvalid:
                compressed = len(public) == 33 and "CompressedPoint" in vector["flags"]
                outcome = "compressed" if compressed else "invalid"
            assert outcome in (vector["result"], "compressed"), (vector["tcId"], outcome)
            counts[outcome] = counts.get(outcome, 0) + 1
    assert counts == {"valid": 330, "invalid": 17, "compressed": 8}
