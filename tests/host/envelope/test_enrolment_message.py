"""Enrolment messages: the good one is accepted; other nonces, collectors, keys and structures are not."""

import os
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from sealing import SealingNode, cose_thumbprint, dumps, point

from hadeda.envelope import open_enrolment
from hadeda.errors import Rejected

COLLECTOR = point(ec.generate_private_key(ec.SECP256R1()))
COLLECTOR_ID = cose_thumbprint(COLLECTOR)
NONCE = os.urandom(16)


def test_a_good_enrolment_is_accepted() -> None:
    node = SealingNode()
    enrolment = open_enrolment(node.enrol(COLLECTOR, NONCE), NONCE, COLLECTOR_ID)
    assert (enrolment.node_id, enrolment.identity) == (node.node_id, node.public)
    assert (enrolment.board, enrolment.firmware) == ("esp32-s3-devkitc-1", "0.1.0")


def test_another_nonce_or_collector() -> None:
    message = SealingNode().enrol(COLLECTOR, NONCE)
    for nonce, collector in ((bytes(16), COLLECTOR_ID), (NONCE, bytes(32)), (b"", COLLECTOR_ID)):
        with pytest.raises(Rejected):
            open_enrolment(message, nonce, collector)


@pytest.mark.parametrize(
    "changes",
    [{"f1": b""}, {"f1": b"\4" + bytes(64)}, {"f1": None}, {"f2": b"\4" + bytes(64)}, {"f2": 7}, {"f3": ""},
     {"f3": "x" * 65}, {"f3": "a\nb"}, {"f4": b"1"}, {"f5": b"short"}, {"f6": b""}, {"f7": 0}, {"f1": COLLECTOR}],
)  # fmt: skip
def test_fields_that_are_wrong(changes: dict[str, Any]) -> None:
    with pytest.raises(Rejected):
        open_enrolment(SealingNode().enrol(COLLECTOR, NONCE, **changes), NONCE, COLLECTOR_ID)


def test_flipped_and_truncated() -> None:
    message = SealingNode().enrol(COLLECTOR, NONCE)
    for index in range(len(message)):
        with pytest.raises(Rejected):
            open_enrolment(message[:index], NONCE, COLLECTOR_ID)
        with pytest.raises(Rejected):
            open_enrolment(message[:index] + bytes([message[index] ^ 1]) + message[index + 1 :], NONCE, COLLECTOR_ID)


@given(st.binary(max_size=1200))
def test_noise(noise: bytes) -> None:
    for message in (noise, dumps(cbor2.CBORTag(18, [noise]))):
        with pytest.raises(Rejected):
            open_enrolment(message, NONCE, COLLECTOR_ID)
