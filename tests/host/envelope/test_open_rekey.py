"""Opening a ready: the good one opens with what the city knows, and every way of bending it is refused."""

import os
from typing import Any

import cbor2
import pycddl
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from sealing import ALG_CCM, ALG_ECDH, ORDER, SealingNode, cose_thumbprint, dumps, pad, point, sign1

from hadeda.envelope import Ready, labels, open_rekey, parse_rekey
from hadeda.errors import Rejected
from hadeda.paths import FIRMWARE

COLLECTOR = ec.generate_private_key(ec.SECP256R1())
RETIRING = ec.generate_private_key(ec.SECP256R1())
COLLECTORS = [(cose_thumbprint(point(key)), key) for key in (COLLECTOR, RETIRING)]
PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
ENVELOPE_CDDL = (FIRMWARE / "envelope" / "envelope.cddl").read_text()


def enrolled_node(collector: ec.EllipticCurvePrivateKey = COLLECTOR) -> SealingNode:
    node = SealingNode()
    node.enrol(point(collector), os.urandom(16))
    return node


NODE = enrolled_node()
MESSAGE = NODE.rekey()


def opened(message: bytes, node: SealingNode = NODE) -> Ready:
    known = {node.node_id: node.public}
    return open_rekey(parse_rekey(message), COLLECTORS, known.get)


def reason(message: bytes, node: SealingNode = NODE) -> str:
    with pytest.raises(Rejected) as refusal:
        opened(message, node)
    return refusal.value.reason


def test_a_good_ready_opens_with_the_root_key_that_the_node_has() -> None:
    node = enrolled_node()
    ready = opened(node.rekey(command=77), node)
    assert node.pending is not None
    assert (ready.epoch, ready.command, ready.root) == (65, 77, node.pending.root)
    assert (ready.signer, ready.node_id, ready.identity) == (node.node_id, node.node_id, node.public)
    assert ready.collector_id == COLLECTORS[0][0]
    assert node.pending.root.hex() not in repr(ready)


def test_a_ready_with_a_new_identity_brings_its_key_and_a_root_bound_to_it() -> None:
    node = enrolled_node()
    ready = opened(node.rekey(new_identity=True), node)
    assert node.pending is not None
    assert (ready.signer, ready.node_id, ready.identity) == (node.node_id, node.pending.node_id, node.pending.public)
    assert ready.root == node.pending.root
    assert ready.node_id != ready.signer


def test_a_ready_to_a_retiring_collector_key_opens_too() -> None:
    node = enrolled_node(RETIRING)
    assert opened(node.rekey(), node).collector_id == COLLECTORS[1][0]


@pytest.mark.parametrize("changes", [{}, {"new_identity": True}, {"command": 2**40 - 1}], ids=str)
def test_a_ready_matches_the_cddl_and_fits(changes: dict[str, Any]) -> None:
    message = enrolled_node().rekey(**changes)
    pycddl.Schema("start = rekey\n" + ENVELOPE_CDDL).validate_cbor(message)
    assert len(message) <= labels.SEALED_MAX


def test_the_ready_inside_matches_the_cddl() -> None:
    schema = pycddl.Schema("start = ready\n" + ENVELOPE_CDDL)
    fields = {1: 65, 2: bytes(32), 3: bytes(65), 4: bytes(16), 5: bytes(32), 6: 0}
    schema.validate_cbor(dumps(fields))
    schema.validate_cbor(dumps({**fields, 7: bytes(65), 8: bytes(64)}))
    with pytest.raises(pycddl.ValidationError):
        schema.validate_cbor(dumps({**fields, 9: 0}))


def test_flipped_and_truncated() -> None:
    for index in range(len(MESSAGE)):
        reason(MESSAGE[:index])
        reason(MESSAGE[:index] + bytes([MESSAGE[index] ^ 1]) + MESSAGE[index + 1 :])
    assert reason(MESSAGE + b"\0") == "bytes after the CBOR item"


@given(st.binary(max_size=1100))
def test_noise_is_refused(noise: bytes) -> None:
    reason(noise)


@given(st.binary(max_size=300))
def test_noise_behind_a_right_beginning_is_refused(noise: bytes) -> None:
    for length in (2, 8, 24, len(MESSAGE) - 80):
        reason(MESSAGE[:length] + noise)


values = st.recursive(
    st.none() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=70) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(-4, 10), inner, max_size=4),
    max_leaves=8,
)


@given(values)
def test_any_value_in_the_place_of_the_message_is_refused(value: object) -> None:
    reason(dumps(cbor2.CBORTag(96, value)))


@given(st.sampled_from([(0,), (1,), (1, 5), (2,), (3,), (3, 0), (3, 0, 0), (3, 0, 1), (3, 0, 1, -1), (3, 0, 1, -1, -2),
                        (3, 0, 1, -1, 1), (3, 0, 2)]), values)  # fmt: skip
def test_any_value_in_the_place_of_a_part_is_refused(path: tuple[int, ...], value: object) -> None:
    item = cbor2.loads(MESSAGE[2:])
    inner = item
    for step in path[:-1]:
        inner = inner[step]
    if inner[path[-1]] == value:
        return
    inner[path[-1]] = value
    reason(dumps(cbor2.CBORTag(96, item)))


@given(st.integers(1, 8), values)
def test_any_value_in_the_place_of_a_field_is_refused_or_taken_for_what_it_is(field: int, value: object) -> None:
    node = enrolled_node()
    message = node.rekey(new_identity=True, **{f"f{field}": value})
    if field in (1, 6) and isinstance(value, int) and 0 < value < 2**32 - 100:
        ready = opened(message, node)
        assert value in (ready.epoch, ready.command)
    elif not (field == 6 and value == 0):
        reason(message, node)


@given(st.binary(max_size=300))
def test_noise_sealed_or_signed_by_a_genuine_node_is_refused(noise: bytes) -> None:
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    reason(NODE.encrypt_to_collector(noise, ephemeral))
    aad = dumps(["hadeda-1", "ready", NODE.node_id, NODE.collector_id])
    reason(NODE.encrypt_to_collector(sign1(NODE.identity, pad(noise), aad), ephemeral))


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (bytes(32), bytes(32)),  # what many take for infinity
        (b"", b""),
        (bytes(31), bytes(33)),
        (PRIME.to_bytes(32, "big"), bytes(32)),
        (b"\xff" * 32, b"\xff" * 32),
        (point(COLLECTOR)[1:33], bytes(32)),
        (point(COLLECTOR)[1:33], bytes(31) + b"\1"),
        # a point of order 5 on y^2 = x^3 - 3x + b' of another b', as an invalid-curve attack sends
        (b"\0" * 31 + b"\1", b"\0" * 31 + b"\1"),
        # the base point of secp256k1
        (bytes.fromhex("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
         bytes.fromhex("483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8")),
    ],
    ids=["zeros", "empty", "wrong sizes", "x is p", "ones", "y is 0", "y is 1", "another b", "secp256k1"],
)  # fmt: skip
def test_ephemeral_points_at_infinity_off_the_curve_or_of_another_are_refused(x: bytes, y: bytes) -> None:
    node = enrolled_node()
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    message = node.encrypt_to_collector(b"never seen", ephemeral, x, y)
    assert reason(message, node) in {"public key is not on the curve", "x is not 32 bytes"}


def rebuilt(**parts: object) -> bytes:
    """MESSAGE with other parts (protected, headers, ciphertext, recipients)."""
    names = ("protected", "headers", "ciphertext", "recipients")
    item = dict(zip(names, cbor2.loads(MESSAGE).value, strict=True))
    return dumps(cbor2.CBORTag(96, [{**item, **parts}[name] for name in names]))


def recipient(**changes: Any) -> list[Any]:
    [[_, headers, _]] = cbor2.loads(MESSAGE).value[3]
    key = {**headers[-1], **{int(name[1:].replace("m", "-")): value for name, value in changes.items()}}
    return [ALG_ECDH, {-1: key}, b""]


def test_other_cose_encrypt_structures() -> None:
    assert rebuilt() == MESSAGE
    good = recipient()
    for parts in (
        {"protected": dumps({1: 10})}, {"protected": b""}, {"headers": {}}, {"headers": {5: bytes(12)}},
        {"headers": {5: bytes(13), 4: b"kid"}}, {"ciphertext": b""}, {"ciphertext": None}, {"ciphertext": bytes(16)},
        {"recipients": []}, {"recipients": [good, good]}, {"recipients": good}, {"recipients": [good[:2]]},
        {"recipients": [[dumps({1: -29}), *good[1:]]]}, {"recipients": [[b"", *good[1:]]]},
        {"recipients": [[*good[:2], b"key"]]}, {"recipients": [[good[0], {**good[1], 4: b"kid"}, b""]]},
        {"recipients": [recipient(k1=1)]}, {"recipients": [recipient(km1=2)]}, {"recipients": [recipient(k4=1)]},
        {"recipients": [recipient(km2=1)]}, {"recipients": [recipient(km3=None)]},
    ):  # fmt: skip
        reason(rebuilt(**parts))
    key = cbor2.loads(MESSAGE).value[3][0][1][-1]
    compressed = {**key, -3: bool(key[-3][-1] & 1)}  # RFC 9053 section 7.1.1 allows it, the profile does not
    reason(rebuilt(recipients=[[ALG_ECDH, {-1: compressed}, b""]]))


def test_another_encoding_of_the_same_message_is_refused() -> None:
    unsorted = MESSAGE.replace(b"\xa1\x05\x4d", b"\xa1\x18\x05\x4d")
    assert unsorted != MESSAGE
    assert reason(unsorted) == "CBOR head is not the shortest, or a float"
    assert reason(b"\xd9\x00\x60" + MESSAGE[2:]) == "not a CBOR item with tag 96"
    assert cbor2.loads(b"\xd9\x00\x60" + MESSAGE[2:]).tag == 96


def test_ready_for_another_collector() -> None:
    stranger = enrolled_node(ec.generate_private_key(ec.SECP256R1()))
    assert reason(stranger.rekey(), stranger) == "re-key is not sealed to a key of this city"
    node = enrolled_node()
    assert reason(node.rekey(f5=COLLECTORS[1][0]), node) == "ready for another collector"
    both = enrolled_node(RETIRING)
    message = both.rekey(f5=COLLECTORS[0][0])
    assert reason(message, both) == "ready for another collector"


def test_ready_signed_by_the_wrong_identity() -> None:
    node, other = enrolled_node(), enrolled_node()
    assert reason(node.rekey(signer=other.identity), node) == "signature does not verify"
    assert reason(other.rekey(), node) == "ready of a node that is not known"
    assert reason(other.rekey(f2=node.node_id), node) == "signature does not verify"
    pending = node.rekey(new_identity=True)
    assert node.pending is not None
    assert reason(node.rekey(new_identity=True, signer=node.pending.identity), node) == "signature does not verify"
    opened(pending, node)


def test_a_new_identity_without_or_with_a_bad_proof() -> None:
    node, other = enrolled_node(), enrolled_node()
    assert reason(node.rekey(new_identity=True, f8=None), node) == "ready lacks a field or has one too many"
    assert reason(node.rekey(new_identity=True, f7=None), node) == "ready lacks a field or has one too many"
    assert reason(node.rekey(new_identity=True, prover=other.identity), node) == "signature does not verify"
    assert reason(node.rekey(new_identity=True, prover=node.identity), node) == "signature does not verify"
    assert reason(node.rekey(new_identity=True, f7=other.public), node) == "signature does not verify"
    assert "out of range" in reason(node.rekey(new_identity=True, f8=bytes(64)), node)
    assert "not on the curve" in reason(
        node.rekey(new_identity=True, f7=b"\4" + bytes(31) + b"\1" * 33, f8=b"\1" * 64), node
    )


def test_high_s_and_signature_numbers_out_of_range() -> None:
    node = enrolled_node()
    assert "s is high" in reason(node.rekey(high_s=True), node)
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    good = {1: 65, 2: node.node_id, 3: point(ephemeral), 4: bytes(16), 5: node.collector_id, 6: 0}
    one, order = (1).to_bytes(32, "big"), ORDER.to_bytes(32, "big")
    for numbers in (bytes(64), bytes(32) + one, one + bytes(32), order + one, one + order, b"\xff" * 64):
        signed = dumps(cbor2.CBORTag(18, [dumps({1: -9}), {}, pad(dumps(good)), numbers]))
        assert "out of range" in reason(node.encrypt_to_collector(signed, ephemeral), node)


def test_fields_that_are_wrong() -> None:
    node = enrolled_node()
    other = point(ec.generate_private_key(ec.SECP256R1()))
    for changes in (
        {"f1": 0}, {"f1": -1}, {"f1": None}, {"f1": b"\1"}, {"f1": 2**32}, {"f2": b""}, {"f2": 1}, {"f3": other},
        {"f3": None}, {"f4": bytes(15)}, {"f4": bytes(17)}, {"f6": -1}, {"f6": 2**40}, {"f6": None}, {"f9": 0},
        {"f0": 0},
    ):  # fmt: skip
        reason(node.rekey(**changes), node)


def test_a_ready_is_padded_with_zeros_to_whole_blocks() -> None:
    node = enrolled_node()
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    fields = dumps({1: 65, 2: node.node_id, 3: point(ephemeral), 4: bytes(16), 5: node.collector_id, 6: 0})
    aad = dumps(["hadeda-1", "ready", node.node_id, node.collector_id])

    def sealed(payload: bytes) -> bytes:
        return node.encrypt_to_collector(sign1(node.identity, payload, aad), ephemeral)

    opened(sealed(pad(fields)), node)
    assert "whole padding blocks" in reason(sealed(fields), node)
    assert "padding" in reason(sealed(pad(fields) + bytes(32)), node)
    assert "padding" in reason(sealed(pad(fields)[:-1] + b"\1"), node)


def test_a_ready_signed_for_another_purpose() -> None:
    node = enrolled_node()
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    fields = dumps({1: 65, 2: node.node_id, 3: point(ephemeral), 4: bytes(16), 5: node.collector_id, 6: 0})
    for aad in (["hadeda-1", "enrol"], ["hadeda-1", "command", node.node_id], ["hadeda-2", "ready", node.node_id]):
        signed = sign1(node.identity, pad(fields), dumps(aad))
        assert reason(node.encrypt_to_collector(signed, ephemeral), node) == "signature does not verify"


def test_the_outside_of_a_ready_says_nothing_of_its_node() -> None:
    node = enrolled_node()
    first, second = cbor2.loads(node.rekey()).value, cbor2.loads(node.rekey()).value
    assert (first[0], first[3][0][0]) == (ALG_CCM, ALG_ECDH)
    assert first[1] != second[1]
    assert first[3] != second[3]
    for secret in (node.node_id, node.public[1:33], node.collector_id, node.keys["kid"]):
        assert secret not in dumps(first)
