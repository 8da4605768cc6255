"""Sealed messages: pycose and the node agree on every byte that is fixed, and each opens what the other made."""

from __future__ import annotations

from typing import Any

import pytest
from parties import Party
from peers import Peer, Refused
from profile_aad import CCM, DOWN, ESP256, REPORT, UP, dumps, inner, outer, padded, shortest

from hadeda.envelope import (
    Candidate,
    Command,
    Letter,
    epoch_keys,
    open_report,
    parse_sealed,
    seal_letter,
    sign_command,
)
from hadeda.errors import Rejected

ROOT = b"root key of an epoch, 32 bytes.."
SEED = b"seed of one message"
LONG = dumps({1: 1, 9: bytes(300)})
CASES = [(REPORT, 1, 0), (REPORT, 1, 300), (dumps({1: 7}), 3, 0xFFFF), (LONG, 70_000, (1 << 40) - 1)]


class Exchange:
    """One message number under one epoch, from one party to the other."""

    def __init__(self, node: Peer, direction: int, epoch: int, sequence: int, sender: Party, recipient: Party) -> None:
        self.keys = node.ask("epoch_keys", root=ROOT, epoch=epoch)
        self.direction, self.epoch, self.sequence = direction, epoch, sequence
        self.sender, self.recipient = sender, recipient
        kid = self.keys["kid"]
        way = "up" if direction == UP else "down"
        self.key, self.iv = self.keys[f"k_{way}"], self.keys[f"iv_{way}"]
        assert self.iv[0], "pycose drops leading zeros of a nonce: take another root key"
        self.outer = outer(direction, epoch, kid, sequence)
        self.inner = inner(direction, epoch, kid, sequence, sender.id, recipient.id)

    def sealed_by(self, node: Peer, payload: bytes) -> dict[str, Any]:
        """The node's message and what went into it."""
        parties = {"sender": self.sender.id, "recipient": self.recipient.id, "private": self.sender.private}
        place = {"epoch": self.epoch, "direction": self.direction, "sequence": self.sequence}
        return dict(node.ask("seal", payload=payload, root=ROOT, **place, **parties, seed=SEED))

    def encrypted_by(self, stranger: Peer, signed: bytes) -> dict[str, Any]:
        """pycose's COSE_Encrypt0."""
        kid, partial_iv, context = self.keys["kid"], shortest(self.sequence), shortest(self.epoch)
        headers = {"kid": kid, "partial_iv": partial_iv, "kid_context": context}
        return dict(
            stranger.ask("encrypt0", plaintext=signed, aad=self.outer, key=self.key, base_iv=self.iv, **headers)
        )

    def sealed_by_stranger(self, stranger: Peer, payload: bytes, high_s: bool = False) -> bytes:
        """pycose's COSE_Sign1 in its COSE_Encrypt0."""
        key = {"private": self.sender.private, "public": self.sender.public}
        signed = stranger.ask("sign1", payload=payload, aad=self.inner, **key, high_s=high_s)["message"]
        return bytes(self.encrypted_by(stranger, signed)["message"])

    def opened_by(self, stranger: Peer, message: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
        """What pycose finds in both layers."""
        sealed = stranger.ask("open_encrypt0", message=message, aad=self.outer, key=self.key, base_iv=self.iv)
        signed = stranger.ask("open_sign1", message=sealed["plaintext"], aad=self.inner, public=self.sender.public)
        return sealed, signed

    def opened_by_node(self, node: Peer, message: bytes) -> list[Any]:
        """[sequence, payload]."""
        parties = {"sender": self.sender.id, "recipient": self.recipient.id, "public": self.sender.public}
        place = {"epoch": self.epoch, "direction": self.direction}
        return list(node.ask("open_sealed", message=message, root=ROOT, **place, **parties))


@pytest.fixture(params=CASES, ids=["first", "report", "last-of-an-epoch", "long"])
def case(request: pytest.FixtureRequest, node: Peer, identity: Party, collector: Party) -> tuple[Exchange, bytes]:
    """An exchange and what is said in it."""
    payload, epoch, sequence = request.param
    return Exchange(node, UP, epoch, sequence, identity, collector), payload


def test_pycose_opens_the_nodes_message_and_sees_the_same_structures(
    node: Peer, stranger: Peer, case: tuple[Exchange, bytes]
) -> None:
    exchange, payload = case
    made = exchange.sealed_by(node, payload)
    sealed, signed = exchange.opened_by(stranger, made["message"])
    assert sealed["enc_structure"] == made["enc_structure"]
    assert sealed["plaintext"] == made["plaintext"]
    assert signed["sig_structure"] == made["sig_structure"]
    assert signed["verified"] is True
    assert signed["payload"] == padded(payload)
    assert (sealed["protected"], signed["protected"]) == (CCM, ESP256)
    assert sealed["kid"] == exchange.keys["kid"]
    assert (sealed["partial_iv"], sealed["kid_context"]) == (shortest(exchange.sequence), shortest(exchange.epoch))


def test_pycose_encodes_and_encrypts_to_the_nodes_very_bytes(
    node: Peer, stranger: Peer, case: tuple[Exchange, bytes]
) -> None:
    exchange, payload = case
    made = exchange.sealed_by(node, payload)
    _, signed = exchange.opened_by(stranger, made["message"])
    assert signed["again"] == made["plaintext"]
    assert exchange.encrypted_by(stranger, made["plaintext"])["message"] == made["message"]


def test_the_node_opens_what_pycose_signed_and_encrypted(
    node: Peer, stranger: Peer, case: tuple[Exchange, bytes]
) -> None:
    exchange, payload = case
    message = exchange.sealed_by_stranger(stranger, padded(payload))
    assert exchange.opened_by_node(node, message) == [exchange.sequence, payload]


def test_the_city_opens_what_pycose_signed_and_encrypted(
    node: Peer, stranger: Peer, identity: Party, collector: Party
) -> None:
    exchange = Exchange(node, UP, 2, 300, identity, collector)
    candidate = Candidate(identity.id, identity.public, collector.id, 2, epoch_keys(ROOT, 2))
    opened = open_report(parse_sealed(exchange.sealed_by_stranger(stranger, padded(REPORT))), [candidate])
    assert (opened.sequence, opened.payload, opened.report.air[0].mean) == (300, padded(REPORT), 18.34)


def test_a_high_s_is_good_cose_and_refused_by_node_and_city(
    node: Peer, stranger: Peer, identity: Party, collector: Party
) -> None:
    exchange = Exchange(node, UP, 2, 301, identity, collector)
    message = exchange.sealed_by_stranger(stranger, padded(REPORT), high_s=True)
    assert exchange.opened_by(stranger, message)[1]["verified"] is True
    with pytest.raises(Refused, match="Rejected"):
        exchange.opened_by_node(node, message)
    candidate = Candidate(identity.id, identity.public, collector.id, 2, epoch_keys(ROOT, 2))
    with pytest.raises(Rejected) as caught:
        open_report(parse_sealed(message), [candidate])
    assert "high" in caught.value.reason


def test_pycose_refuses_the_nodes_message_when_anything_bound_is_another(
    node: Peer, stranger: Peer, identity: Party, collector: Party
) -> None:
    exchange = Exchange(node, UP, 2, 302, identity, collector)
    made = exchange.sealed_by(node, REPORT)
    for changed in (
        outer(DOWN, 2, exchange.keys["kid"], 302),
        outer(UP, 3, exchange.keys["kid"], 302),
        outer(UP, 2, b"kid?", 302),
        outer(UP, 2, exchange.keys["kid"], 303),
    ):
        with pytest.raises(Refused, match="InvalidTag"):
            stranger.ask("open_encrypt0", message=made["message"], aad=changed, key=exchange.key, base_iv=exchange.iv)
    for sender, recipient in ((collector.id, identity.id), (identity.id, identity.id)):
        aad = inner(UP, 2, exchange.keys["kid"], 302, sender, recipient)
        signed = stranger.ask("open_sign1", message=made["plaintext"], aad=aad, public=identity.public)
        assert signed["verified"] is False


def test_a_letter_with_a_command_made_by_pycose_reaches_the_node(
    node: Peer, stranger: Peer, identity: Party, receipt: Party, commander: Party
) -> None:
    aad = dumps(["hadeda-1", "command", identity.id])
    content = dumps({1: 200_000_000, 2: 5, 3: 9, 4: {}})
    keys = {"private": commander.private, "public": commander.public}
    command = stranger.ask("sign1", payload=content, aad=aad, **keys)["message"]
    letter = dumps({1: 301, 2: command, 3: b"8 bytes."})
    exchange = Exchange(node, DOWN, 2, 2_000_000_000, receipt, identity)
    message = exchange.sealed_by_stranger(stranger, padded(letter))
    assert exchange.opened_by_node(node, message) == [2_000_000_000, letter]
    assert node.ask("open_sign1", message=command, aad=aad, public=commander.public) == content
    made = exchange.sealed_by(node, letter)
    assert exchange.opened_by(stranger, made["message"])[1]["payload"] == padded(letter)


def test_pycose_opens_the_citys_letter_and_command(
    node: Peer, stranger: Peer, identity: Party, receipt: Party, commander: Party
) -> None:
    command = sign_command(commander.key(), identity.id, Command(200_000_000, 5, 9))
    exchange = Exchange(node, DOWN, 2, 2_000_000_000, receipt, identity)
    message = seal_letter(
        epoch_keys(ROOT, 2), 2, exchange.sequence, receipt.key(), identity.id, Letter(301, command, b"8 bytes.")
    )
    sealed, signed = exchange.opened_by(stranger, message)
    assert signed["verified"] is True
    assert signed["payload"] == padded(dumps({1: 301, 2: command, 3: b"8 bytes."}))
    assert exchange.encrypted_by(stranger, sealed["plaintext"])["message"] == message
    aad = dumps(["hadeda-1", "command", identity.id])
    ordered = stranger.ask("open_sign1", message=command, aad=aad, public=commander.public)
    assert ordered["verified"] is True
    assert (ordered["payload"], ordered["again"]) == (dumps({1: 200_000_000, 2: 5, 3: 9, 4: {}}), command)


def test_an_enrolment_of_the_node_is_good_cose(node: Peer, stranger: Peer, identity: Party, collector: Party) -> None:
    fields = {1: identity.public, 2: collector.public, 3: "board", 4: "1", 5: bytes(16), 6: collector.id}
    made = node.ask("enrol", payload=dumps(fields), private=identity.private, seed=SEED)
    aad = dumps(["hadeda-1", "enrol"])
    signed = stranger.ask("open_sign1", message=made["message"], aad=aad, public=identity.public)
    assert signed["verified"] is True
    assert (signed["sig_structure"], signed["payload"]) == (made["sig_structure"], dumps(fields))
    assert signed["again"] == made["message"]
