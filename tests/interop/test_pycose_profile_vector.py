"""pycose agrees with every step of the profile's own vector, which node and city are held to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from peers import Peer
from profile_aad import PROFILE, dumps

VECTOR = Path(__file__).parents[1] / "vectors" / "hadeda" / "profile.json"


def revived(value: Any) -> Any:
    """Hex becomes bytes."""
    if isinstance(value, dict):
        return {key: revived(entry) for key, entry in value.items()}
    return bytes.fromhex(value) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def vector() -> dict[str, Any]:
    return dict(revived(json.loads(VECTOR.read_text())))


def check_signed(stranger: Peer, message: bytes, aad: bytes, public: bytes, sig_structure: bytes, said: bytes) -> None:
    signed = stranger.ask("open_sign1", message=message, aad=aad, public=public)
    assert signed == {
        "verified": True,
        "sig_structure": sig_structure,
        "payload": said,
        "protected": bytes.fromhex("a10128"),
        "again": message,
    }


@pytest.mark.parametrize(("name", "way", "signer"), [("report", "up", "identity"), ("letter", "down", "receipt")])
def test_sealed(stranger: Peer, vector: dict[str, Any], name: str, way: str, signer: str) -> None:
    steps, key, iv = vector[name], vector[f"k_{way}"], vector[f"iv_{way}"]
    sealed = stranger.ask("open_encrypt0", message=steps["sealed"], aad=steps["outer_aad"], key=key, base_iv=iv)
    assert (sealed["plaintext"], sealed["enc_structure"]) == (steps["sign1"], steps["enc_structure"])
    public = vector[f"{signer}_public"]
    check_signed(stranger, steps["sign1"], steps["inner_aad"], public, steps["sig_structure"], steps["padded"])


@pytest.mark.parametrize(("name", "signer"), [("enrolment", "identity"), ("command", "command")])
def test_signed(stranger: Peer, vector: dict[str, Any], name: str, signer: str) -> None:
    steps = vector[name]
    public = vector[f"{signer}_public"]
    check_signed(stranger, steps["message"], steps["aad"], public, steps["sig_structure"], steps["payload"])


def test_rekey(stranger: Peer, vector: dict[str, Any]) -> None:
    steps = vector["rekey"]
    keys = {"private": vector["collector_private"], "public": vector["collector_public"]}
    opened = stranger.ask("open_encrypt", message=steps["message"], aad=dumps([PROFILE, "ready"]), **keys)
    assert (opened["plaintext"], opened["kdf_context"]) == (steps["sign1"], steps["kdf_context"])
    assert (opened["enc_structure"], opened["ephemeral"]) == (steps["enc_structure"], steps["ephemeral_public"])
    public = vector["identity_public"]
    check_signed(stranger, steps["sign1"], steps["inner_aad"], public, steps["sig_structure"], steps["padded"])
