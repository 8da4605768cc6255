"""The key schedule against the profile vector, every intermediate, and what the derivations depend on."""

import json
from binascii import unhexlify

from envelope import ecdh, keys
from envelope.drbg import Drbg
from envelope.errors import KeyInvalid
from envelope.labels import DIRECTION_DOWN, DIRECTION_SELF_TEST, DIRECTION_UP


def _vector():
    with open("tests/vectors/hadeda/profile.json") as file:
        return json.load(file)


def _bytes(vector, name):
    return unhexlify(vector[name])


def test_profile_vectors_of_the_key_schedule():
    vector = _vector()
    node_id, collector_id = _bytes(vector, "node_id"), _bytes(vector, "collector_id")
    assert keys.thumbprint(_bytes(vector, "identity_public")) == node_id
    assert keys.thumbprint(_bytes(vector, "collector_public")) == collector_id
    z = ecdh.agree(_bytes(vector, "ephemeral_private"), _bytes(vector, "collector_public"), Drbg(bytes(32)))
    assert z == _bytes(vector, "z")
    root = keys.root(z, _bytes(vector, "nonce"), node_id, collector_id)
    for expected in vector["roots"]:
        assert root == unhexlify(expected)
        last, root = root, keys.next_root(root)
    assert root == _bytes(vector, "next_root")
    epoch_keys = keys.epoch(last, vector["epoch"])
    for name in ("kid", "k_up", "iv_up", "k_down", "iv_down"):
        assert getattr(epoch_keys, name) == _bytes(vector, name)


def test_keys_of_a_direction():
    epoch_keys = keys.epoch(bytes(32), 1)
    assert epoch_keys.of_direction(DIRECTION_UP) == (epoch_keys.k_up, epoch_keys.iv_up)
    assert epoch_keys.of_direction(DIRECTION_DOWN) == (epoch_keys.k_down, epoch_keys.iv_down)
    assert [len(part) for part in epoch_keys.of_direction(DIRECTION_UP)] == [16, 13]
    assert len(epoch_keys.kid) == 4


def test_what_a_node_seals_for_its_cable_never_meets_the_numbers_of_letters():
    epoch_keys = keys.epoch(bytes(32), 1)
    assert epoch_keys.of_direction(DIRECTION_SELF_TEST) == epoch_keys.of_direction(DIRECTION_UP)


def test_every_input_of_a_derivation_counts():
    roots = [
        keys.root(b"z" * 32, b"n" * 16, b"i" * 32, b"c" * 32),
        keys.root(b"y" * 32, b"n" * 16, b"i" * 32, b"c" * 32),
        keys.root(b"z" * 32, b"m" * 16, b"i" * 32, b"c" * 32),
        keys.root(b"z" * 32, b"n" * 16, b"c" * 32, b"i" * 32),
    ]
    assert len(set(roots)) == 4
    kids = [keys.epoch(root, number).kid for root in roots for number in (1, 2)]
    assert len(set(kids)) == 8
    assert keys.next_root(roots[0]) != roots[0]


def test_a_thumbprint_is_of_an_uncompressed_point():
    for public in (b"", bytes(65), b"\x04" + bytes(63), b"\x02" + bytes(32)):
        try:
            keys.thumbprint(public)
        except KeyInvalid:
            continue
        raise AssertionError(public)
