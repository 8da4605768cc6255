"""Opening a sealed report: the good one opens, and every way of bending it is refused with one kind of error."""

import os

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from sealing import ALG_CCM, ALG_ESP256, ORDER, SealingNode, dumps, example_report, point, sign1

from hadeda.envelope import Candidate, EpochKeys, Opened, labels, open_report, parse_sealed
from hadeda.errors import Rejected

COLLECTOR = ec.generate_private_key(ec.SECP256R1())


def enrolled_node() -> SealingNode:
    node = SealingNode()
    node.enrol(point(COLLECTOR), os.urandom(16))
    return node


NODE = enrolled_node()
SEALED = NODE.seal(example_report(), 5)


def candidate(node: SealingNode, **keys: bytes) -> Candidate:
    parts = {**node.keys, **keys}
    return Candidate(
        node.node_id,
        node.public,
        node.collector_id,
        1,
        EpochKeys(parts["kid"], parts["key"], parts["iv"], bytes(16), bytes(13)),
    )


def opened(sealed: bytes, *candidates: Candidate) -> Opened:
    return open_report(parse_sealed(sealed), candidates or [candidate(NODE)])


def reason(sealed: bytes, *candidates: Candidate) -> str:
    with pytest.raises(Rejected) as refusal:
        opened(sealed, *candidates)
    assert str(refusal.value) == "rejected", "outside, one kind of error without its reason"
    return refusal.value.reason


def test_a_good_report_opens_and_fits_the_budget() -> None:
    result = opened(SEALED)
    assert (result.sequence, result.report.start_s, result.report.window_s) == (5, 1_654_041_600, 900)
    assert len(SEALED) <= 256


@pytest.mark.parametrize("sequence", [0, 1, 255, 256, 2**32, 2**40 - 1])
def test_every_sequence_number_has_its_one_partial_iv(sequence: int) -> None:
    assert opened(NODE.seal(example_report(), sequence)).sequence == sequence


def test_truncated_at_every_length() -> None:
    for length in range(len(SEALED)):
        reason(SEALED[:length])


def test_each_byte_flipped_in_turn() -> None:
    for index in range(len(SEALED)):
        for flip in (0x01, 0x80, 0xFF):
            reason(SEALED[:index] + bytes([SEALED[index] ^ flip]) + SEALED[index + 1 :])


def test_bytes_added_at_the_end() -> None:
    assert reason(SEALED + b"\0") == "bytes after the CBOR item"


@given(st.binary(max_size=400))
def test_noise_is_refused(noise: bytes) -> None:
    reason(noise)


@given(st.binary(max_size=200))
def test_noise_behind_a_right_beginning_is_refused(noise: bytes) -> None:
    reason(SEALED[:20] + noise)


def test_a_megabyte_of_noise_is_refused_by_its_length() -> None:
    assert reason(os.urandom(1_000_000)) == "longer than 1024 bytes"


def test_a_stranger_kid_and_a_wrong_key() -> None:
    assert reason(SEALED, candidate(NODE, key=bytes(16))) == "not sealed by the key its kid names"
    assert reason(enrolled_node().seal(example_report(), 5)) == "not sealed by the key its kid names"
    with pytest.raises(Rejected) as refusal:
        open_report(parse_sealed(SEALED), [])
    assert refusal.value.reason == "no key for this kid and epoch"


def rewrapped(**headers: bytes) -> bytes:
    """SEALED with other unprotected headers (kid, partial_iv, epoch)."""
    protected, unprotected, ciphertext = cbor2.loads(SEALED[1:])
    names = {"kid": 4, "partial_iv": 6, "epoch": 10}
    unprotected.update({names[name]: value for name, value in headers.items()})
    return dumps(cbor2.CBORTag(16, [protected, unprotected, ciphertext]))


def test_swapped_headers() -> None:
    assert rewrapped() == SEALED
    other = enrolled_node()
    reason(rewrapped(epoch=b"\x02"))
    reason(rewrapped(partial_iv=b"\x06"))
    reason(rewrapped(kid=other.keys["kid"]), candidate(other))


@pytest.mark.parametrize(
    "headers",
    [{"kid": b"abc"}, {"kid": b"abcde"}, {"partial_iv": b""}, {"partial_iv": b"\0\5"}, {"partial_iv": b"\1" * 6},
     {"epoch": b""}, {"epoch": b"\0\1"}, {"epoch": b"\1" * 5}],
)  # fmt: skip
def test_headers_of_another_form(headers: dict[str, bytes]) -> None:
    reason(rewrapped(**headers))


@pytest.mark.parametrize(
    "item",
    [
        [ALG_CCM, {4: b"abcd", 6: b"\0"}, bytes(40)],
        [ALG_CCM, {4: b"abcd", 6: b"\0", 10: b"\1", 11: 0}, bytes(40)],
        [ALG_CCM, {4: b"abcd", 6: 0, 10: b"\1"}, bytes(40)],
        [dumps({1: 10}), {4: b"abcd", 6: b"\0", 10: b"\1"}, bytes(40)],
        [b"", {4: b"abcd", 6: b"\0", 10: b"\1"}, bytes(40)],
        [ALG_CCM, {4: b"abcd", 6: b"\0", 10: b"\1"}, bytes(16)],
        [ALG_CCM, {4: b"abcd", 6: b"\0", 10: b"\1"}, None],
        [ALG_CCM, [], bytes(40)],
        [ALG_CCM, {4: b"abcd", 6: b"\0", 10: b"\1"}],
        {},
    ],
)
def test_other_cose_encrypt0_structures(item: object) -> None:
    reason(dumps(cbor2.CBORTag(16, item)))


def test_a_message_of_the_other_direction_or_for_another_collector() -> None:
    assert reason(NODE.seal(example_report(), 5, direction=1)) == "not sealed by the key its kid names"
    assert reason(NODE.seal(example_report(), 5, recipient=bytes(32))) == "signature does not verify"


def test_a_signature_by_somebody_who_knows_the_epoch_keys() -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    assert reason(NODE.seal(example_report(), 5, signer=stranger)) == "signature does not verify"


def test_high_s_is_refused_though_the_signature_is_valid() -> None:
    assert reason(NODE.seal(example_report(), 5, high_s=True)) == "signature numbers are out of range or s is high"


ONE, N, MANY = (1).to_bytes(32, "big"), ORDER.to_bytes(32, "big"), b"\xff" * 32


@pytest.mark.parametrize(
    "numbers",
    [bytes(64), bytes(32) + ONE, ONE + bytes(32), N + ONE, ONE + N, MANY + ONE, ONE + MANY, N + N],
    ids=["0 0", "0 1", "1 0", "n 1", "1 n", "max 1", "1 max", "n n"],
)
def test_signature_numbers_out_of_range(numbers: bytes) -> None:
    signed = dumps(cbor2.CBORTag(18, [ALG_ESP256, {}, bytes(32), numbers]))
    assert "out of range" in reason(NODE.encrypt(signed, 5))


@pytest.mark.parametrize(
    "plaintext",
    [
        b"\0",
        dumps([ALG_ESP256, {}, bytes(32), bytes(64)]),
        dumps(cbor2.CBORTag(18, [ALG_ESP256, {4: b"x"}, bytes(32), bytes(64)])),
        dumps(cbor2.CBORTag(18, [dumps({1: -7}), {}, bytes(32), bytes(64)])),
        dumps(cbor2.CBORTag(18, [ALG_ESP256, {}, bytes(32), bytes(63)])),
        dumps(cbor2.CBORTag(18, [ALG_ESP256, {}, None, bytes(64)])),
        dumps(cbor2.CBORTag(18, [ALG_ESP256, {}, bytes(32)])),
        b"\xd2" + b"\x81" * 500,
        b"\xd2\x9f",
    ],
)
def test_what_is_encrypted_is_not_a_signed_message(plaintext: bytes) -> None:
    reason(NODE.encrypt(plaintext, 5))


@given(st.binary(min_size=1, max_size=300))
def test_noise_sealed_by_a_genuine_node_is_refused(noise: bytes) -> None:
    reason(NODE.encrypt(noise, 5))


@given(st.binary(max_size=128))
def test_noise_signed_by_a_genuine_node_is_refused(noise: bytes) -> None:
    reason(NODE.seal(noise, 5))


def test_padding_is_zero_and_whole_blocks_or_the_floor() -> None:
    report = example_report(r4={})
    length = len(dumps(report))
    fill = -length % 32
    floor = 128 - length
    assert fill + 32 <= floor, "the example is at least one block below the floor"
    for padding in (fill, floor):
        opened(NODE.seal(report, 5, padding=bytes(padding)))
    assert "padding" in reason(NODE.seal(report, 5, padding=bytes(floor + 32)))
    assert "padding" in reason(NODE.seal(report, 5, padding=bytes(floor - 1) + b"\1"))
    for padding in (fill - 1, floor - 1):
        assert "whole padding blocks" in reason(NODE.seal(report, 5, padding=bytes(padding)))


def test_two_nodes_may_share_a_kid() -> None:
    first, second = enrolled_node(), enrolled_node()
    second.keys["kid"] = first.keys["kid"]
    both = [candidate(first), candidate(second)]
    assert opened(first.seal(example_report(), 1), *both).candidate.node_id == first.node_id
    assert opened(second.seal(example_report(), 1), *both).candidate.node_id == second.node_id
    third = enrolled_node()
    third.keys["kid"] = first.keys["kid"]
    assert reason(third.seal(example_report(), 1), *both) == "not sealed by the key its kid names"


def test_a_signature_is_not_taken_from_one_message_to_another() -> None:
    aad = dumps(["hadeda-1", 0, 1, NODE.keys["kid"], b"\x06", NODE.node_id, NODE.collector_id])
    payload = dumps(example_report())
    signed_for_six = sign1(NODE.identity, payload + bytes(-len(payload) % labels.PADDING_BLOCK), aad)
    assert reason(NODE.encrypt(signed_for_six, 5)) == "signature does not verify"
    assert opened(NODE.encrypt(signed_for_six, 6)).sequence == 6
