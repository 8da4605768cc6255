"""RFC 8949 appendix A: every example is decoded and encoded again, or refused for a reason of the profile."""

import json
from binascii import unhexlify

from envelope import cbor
from envelope.errors import CborError

# Examples that JSON cannot express: what they have to decode to.
_BEYOND_JSON = {
    "40": b"",
    "4401020304": b"\x01\x02\x03\x04",
    "a201020304": {1: 2, 3: 4},
    "c074323031332d30332d32315432303a30343a30305a": cbor.Tag(0, "2013-03-21T20:04:00Z"),
    "c11a514b67b0": cbor.Tag(1, 1363896240),
    "d74401020304": cbor.Tag(23, b"\x01\x02\x03\x04"),
    "d818456449455446": cbor.Tag(24, b"dIETF"),
    "d82076687474703a2f2f7777772e6578616d706c652e636f6d": cbor.Tag(32, "http://www.example.com"),
}
# Bignums (2, 3) are not part of the profile: no number of it has more than 64 bit.
_TAGS = (0, 1, 23, 24, 32)
_REFUSALS = {
    "a float or simple value outside the profile": 27,
    "reserved or indefinite length": 11,
    "tag 2 is not expected here": 1,
    "tag 3 is not expected here": 1,
}
_ACCEPTED = 42


def test_appendix_a_vectors():
    with open("tests/vectors/cbor/appendix_a.json") as file:
        examples = json.load(file)
    assert len(examples) == 82
    accepted = 0
    refusals = {}
    for example in examples:
        raw = unhexlify(example["hex"])
        try:
            decoded = cbor.decode(raw, _TAGS)
        except CborError as error:
            refusals[str(error)] = refusals.get(str(error), 0) + 1
            continue
        expected = _BEYOND_JSON[example["hex"]] if example["hex"] in _BEYOND_JSON else example["decoded"]
        assert decoded == expected, example["hex"]
        assert cbor.encode(decoded) == raw, example["hex"]
        accepted += 1
    assert accepted == _ACCEPTED
    assert refusals == _REFUSALS
