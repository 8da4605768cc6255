"""Thumbprints and keys: published vectors, and agreement with the sealer in `sealing`, which is written apart."""

import os

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sealing import SealingNode, cose_thumbprint, point

from hadeda.envelope import epoch_keys, labels, next_root, root_key, thumbprint
from hadeda.envelope.keys import load_point
from hadeda.errors import Rejected


def test_thumbprint_of_the_key_in_rfc_9679_section_6() -> None:
    x = bytes.fromhex("65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d")
    y = bytes.fromhex("1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c")
    expected = "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec"
    assert thumbprint(b"\x04" + x + y).hex() == expected


def test_node_and_city_derive_the_same_keys() -> None:
    collector = ec.generate_private_key(ec.SECP256R1())
    node, nonce = SealingNode(), os.urandom(16)
    message = node.enrol(point(collector), nonce)
    start = message.index(b"\x02\x58\x41") + 3  # field 2, a byte string of 65
    ephemeral = message[start : start + labels.PUBLIC_KEY_SIZE]
    root = root_key(collector, ephemeral, nonce, node.node_id, cose_thumbprint(point(collector)))
    assert root == node.root
    keys = epoch_keys(root, 1)
    assert (keys.kid, keys.key_up, keys.iv_up) == (node.keys["kid"], node.keys["key"], node.keys["iv"])


def test_every_part_of_an_epoch_is_different_and_has_its_size() -> None:
    keys = epoch_keys(bytes(32), 1)
    sizes = [len(part) for part in (keys.kid, keys.key_up, keys.iv_up, keys.key_down, keys.iv_down)]
    assert sizes == [4, 16, 13, 16, 13]
    assert keys.key_up != keys.key_down
    assert epoch_keys(bytes(32), 2).kid != keys.kid
    assert next_root(bytes(32)) != bytes(32)


def test_secrets_stay_out_of_the_repr() -> None:
    keys = epoch_keys(bytes(32), 1)
    assert repr(keys) == f"EpochKeys(kid={keys.kid!r})"


@pytest.mark.parametrize(
    "data",
    [b"", b"\x04" + bytes(64), b"\x02" + bytes(32), b"\x04" + b"\xff" * 64, b"\x00" * 65, b"\x04" + bytes(63)],
)
def test_points_off_the_curve_or_in_another_form_are_refused(data: bytes) -> None:
    with pytest.raises(Rejected):
        load_point(data)
