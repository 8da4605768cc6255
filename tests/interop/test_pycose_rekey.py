"""The re-key message, COSE_Encrypt by ECDH-ES: pycose opens the node's, and makes the same bytes from the same keys."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from parties import Party
from peers import Peer, Refused
from profile_aad import CCM, ECDH_ES, PROFILE, dumps, padded

from hadeda.envelope import open_rekey, parse_rekey

SEED = b"seed of a re-key"
OUTER = dumps([PROFILE, "ready"])


@pytest.fixture
def ready(node: Peer, identity: Party, collector: Party) -> dict[str, Any]:
    """The node's ready message, and what went into it."""
    own = {"private": identity.private, "public": identity.public}
    new = {"new_private": None, "new_public": None}
    return dict(node.ask("ready", **own, **new, epoch=70, collector=collector.public, command=5, seed=SEED))


def test_pycose_opens_the_nodes_re_key(
    node: Peer, stranger: Peer, identity: Party, collector: Party, ready: dict[str, Any]
) -> None:
    keys = {"private": collector.private, "public": collector.public}
    opened = stranger.ask("open_encrypt", message=ready["message"], aad=OUTER, **keys)
    assert opened["plaintext"] == ready["plaintext"]
    assert opened["enc_structure"] == ready["enc_structure"]
    assert opened["kdf_context"] == node.ask("kdf_context")
    assert opened["protected"] == [CCM, ECDH_ES]
    aad = dumps([PROFILE, "ready", identity.id, collector.id])
    signed = stranger.ask("open_sign1", message=opened["plaintext"], aad=aad, public=identity.public)
    assert signed["verified"] is True
    assert signed["sig_structure"] == ready["sig_structure"]
    said = cbor2.loads(signed["payload"])
    assert signed["payload"] == padded(dumps(said), least=0)
    assert (said[1], said[2], said[3], said[5], said[6]) == (70, identity.id, opened["ephemeral"], collector.id, 5)


def test_pycose_encrypts_to_the_nodes_very_bytes(node: Peer, stranger: Peer, collector: Party) -> None:
    ephemeral = node.ask("make_key", seed=b"ephemeral")
    keys = {"ephemeral_private": ephemeral["private"], "ephemeral": ephemeral["public"], "recipient": collector.public}
    made = node.ask("encrypt_to", plaintext=b"signed", aad=OUTER, **keys, seed=SEED)
    again = stranger.ask("encrypt", plaintext=b"signed", aad=OUTER, iv=made["nonce"], **keys)
    assert again["message"] == made["message"]
    assert again["enc_structure"] == made["enc_structure"]


def test_another_key_or_another_purpose_opens_nothing(
    stranger: Peer, identity: Party, collector: Party, ready: dict[str, Any]
) -> None:
    for who, aad in ((identity, OUTER), (collector, dumps([PROFILE, "enrol"]))):
        with pytest.raises(Refused, match="InvalidTag"):
            stranger.ask("open_encrypt", message=ready["message"], aad=aad, private=who.private, public=who.public)


def test_the_city_opens_what_pycose_signed_and_encrypted(
    node: Peer, stranger: Peer, identity: Party, collector: Party
) -> None:
    ephemeral = node.ask("make_key", seed=b"ephemeral")
    said = {1: 70, 2: identity.id, 3: ephemeral["public"], 4: bytes(16), 5: collector.id, 6: 5}
    aad = dumps([PROFILE, "ready", identity.id, collector.id])
    own = {"private": identity.private, "public": identity.public}
    signed = stranger.ask("sign1", payload=padded(dumps(said), least=0), aad=aad, **own)["message"]
    keys = {"ephemeral_private": ephemeral["private"], "ephemeral": ephemeral["public"], "recipient": collector.public}
    message = stranger.ask("encrypt", plaintext=signed, aad=OUTER, iv=b"13 bytes long", **keys)["message"]
    opened = open_rekey(parse_rekey(message), [(collector.id, collector.key())], {identity.id: identity.public}.get)
    assert (opened.epoch, opened.signer, opened.node_id, opened.command) == (70, identity.id, identity.id, 5)


def test_the_city_derives_the_root_key_that_the_node_has(
    identity: Party, collector: Party, ready: dict[str, Any]
) -> None:
    opened = open_rekey(
        parse_rekey(ready["message"]), [(collector.id, collector.key())], {identity.id: identity.public}.get
    )
    assert (opened.epoch, opened.root) == (70, ready["root"])
