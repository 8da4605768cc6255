"""Writes tests/vectors/hadeda/profile.json: profile hadeda-1 from two key pairs to sealed messages, every step.

Run it from the project's root, with firmware and tests/cpython_shims on PYTHONPATH. What the node computed is checked
with pyca/cryptography before it is written.
"""

import json
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from envelope import cbor, cose, ecdh, ecdh_es, ecdsa, keys, labels, padding
from envelope.drbg import Drbg
from node import ready
from node.keystore import Secrets

_TARGET = Path("tests/vectors/hadeda/profile.json")
_SEED = b"the seed of the hadeda-1 profile vector."
_EPOCH = 3
_SEQUENCE = 300
_REPORT = {1: 1654041600, 2: 900, 3: 2, 4: {1: [90, 2153, 12, 20]}, 5: [4, None, 0, 17], 7: [1, 65536, 2, 0, 5]}
_COMMAND = {1: 7, 2: labels.OPERATION_SET_PERIOD, 3: 5, 4: {1: 1800}}
_CHALLENGE = b"challeng"
_REKEY_SEED = b"the seed of the vector's re-key message."
_REKEY_EPOCH = 67

_PROTECTED_SIGN1 = bytes.fromhex("a10128")
_PROTECTED_ENCRYPT0 = bytes.fromhex("a101181e")


def main() -> None:
    drbg = Drbg(_SEED)
    identity, identity_public = ecdsa.make_key(drbg)
    ephemeral, ephemeral_public = ecdsa.make_key(drbg)
    collector, collector_public = ecdsa.make_key(drbg)
    nonce = drbg.generate(16)
    receipt, receipt_public = ecdsa.make_key(drbg)
    command, command_public = ecdsa.make_key(drbg)
    node_id, collector_id = keys.thumbprint(identity_public), keys.thumbprint(collector_public)
    z = ecdh.agree(ephemeral, collector_public, drbg)
    roots = [keys.root(z, nonce, node_id, collector_id)]
    while len(roots) < _EPOCH:
        roots.append(keys.next_root(roots[-1]))
    epoch_keys = keys.epoch(roots[-1], _EPOCH)
    _check_schedule(collector, ephemeral_public, nonce, node_id, collector_id, roots, epoch_keys)
    enrolment = {1: identity_public, 2: ephemeral_public, 3: "board", 4: "0.1.0", 5: nonce, 6: collector_id}
    vector: dict[str, object] = {
        "seed": _SEED,
        "identity_private": identity,
        "identity_public": identity_public,
        "ephemeral_private": ephemeral,
        "ephemeral_public": ephemeral_public,
        "collector_private": collector,
        "collector_public": collector_public,
        "receipt_private": receipt,
        "receipt_public": receipt_public,
        "command_private": command,
        "command_public": command_public,
        "nonce": nonce,
        "node_id": node_id,
        "collector_id": collector_id,
        "receipt_id": keys.thumbprint(receipt_public),
        "z": z,
        "roots": roots,
        "next_root": keys.next_root(roots[-1]),
        "epoch": _EPOCH,
        "sequence": _SEQUENCE,
    }
    vector.update({name: getattr(epoch_keys, name) for name in ("kid", "k_up", "iv_up", "k_down", "iv_down")})
    vector["enrolment"] = _signed(cbor.encode(enrolment), ["enrol"], identity, identity_public, drbg)
    vector["report"] = _sealed(_REPORT, epoch_keys, labels.DIRECTION_UP, node_id, collector_id, identity, drbg)
    ordered = _signed(cbor.encode(_COMMAND), ["command", node_id], command, command_public, drbg)
    vector["command"] = ordered
    letter = {
        labels.LETTER_HEARD: 301,
        labels.LETTER_COMMAND: ordered["message"],
        labels.LETTER_CHALLENGE: _CHALLENGE,
    }
    receipt_id = keys.thumbprint(receipt_public)
    vector["letter"] = _sealed(letter, epoch_keys, labels.DIRECTION_DOWN, receipt_id, node_id, receipt, drbg)
    secrets = Secrets(identity, identity_public, {labels.ROLE_COLLECTOR: collector_public}, _EPOCH, roots[-1], 1, 1)
    vector["rekey"] = _rekey(secrets, collector, ecdsa.make_key(drbg))
    _TARGET.parent.mkdir(exist_ok=True)
    _TARGET.write_text(json.dumps(vector, indent=1, default=_plain) + "\n")


def _plain(value: bytes) -> str:
    return value.hex()


def _check_schedule(
    collector: bytes,
    ephemeral_public: bytes,
    nonce: bytes,
    node_id: bytes,
    collector_id: bytes,
    roots: list[bytes],
    epoch_keys: keys.EpochKeys,
) -> None:
    """Compute the schedule once more, from the collector's side and with another implementation."""
    private = ec.derive_private_key(int.from_bytes(collector, "big"), ec.SECP256R1())
    peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), ephemeral_public)
    info = cbor.encode([labels.PROFILE, "root", node_id, collector_id])
    root = HKDF(hashes.SHA256(), 32, nonce, info).derive(private.exchange(ec.ECDH(), peer))
    for expected in roots:
        _same(root, expected)
        okm = HKDFExpand(hashes.SHA256(), 62, cbor.encode([labels.PROFILE, "epoch", _EPOCH])).derive(root)
        root = HKDFExpand(hashes.SHA256(), 32, cbor.encode([labels.PROFILE, "next"])).derive(root)
    _same(okm, epoch_keys.kid + epoch_keys.k_up + epoch_keys.iv_up + epoch_keys.k_down + epoch_keys.iv_down)


def _same(theirs: bytes, ours: bytes) -> None:
    if theirs != ours:
        raise SystemExit("the node's arithmetic and pyca/cryptography differ")


def _check_signature(public: bytes, message: bytes, signature: bytes) -> None:
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    der = utils.encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    key.verify(der, message, ec.ECDSA(hashes.SHA256()))


def _signed(payload: bytes, bound: list[object], private: bytes, public: bytes, drbg: Drbg) -> dict[str, bytes]:
    """A COSE_Sign1 alone, bound to the profile, a purpose and parties: an enrolment or a command."""
    aad = cbor.encode([labels.PROFILE, *bound])
    message = cose.sign1(payload, aad, private, drbg)
    to_be_signed = cose.sig_structure(_PROTECTED_SIGN1, aad, payload)
    _check_signature(public, to_be_signed, message[-64:])
    return {"payload": payload, "aad": aad, "sig_structure": to_be_signed, "message": message}


def _rekey(secrets: Secrets, collector: bytes, identity: tuple[bytes, bytes]) -> dict[str, object]:
    """A ready message that brings a new identity, opened once more by pyca/cryptography with the collector's key."""
    authorities = secrets.authorities
    root, message = ready.make(secrets, _REKEY_EPOCH, authorities, identity[0], identity[1], 7, Drbg(_REKEY_SEED))
    ephemeral, ephemeral_public = ecdsa.make_key(Drbg(_REKEY_SEED))
    _, unprotected, ciphertext, _ = cbor.decode(message, (96,)).value  # type: ignore[attr-defined]
    private = ec.derive_private_key(int.from_bytes(collector, "big"), ec.SECP256R1())
    z = private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), ephemeral_public))
    context = ecdh_es.kdf_context()
    content_key = HKDF(hashes.SHA256(), 16, b"", context).derive(z)
    enc_structure = ecdh_es.enc_structure(cbor.encode([labels.PROFILE, "ready"]))
    signed = AESCCM(content_key).decrypt(unprotected[labels.HEADER_IV], ciphertext, enc_structure)
    padded = cbor.decode(signed, (18,)).value[2]  # type: ignore[attr-defined]
    fields, end = cbor.decode_first(padded)
    old_id, new_id = keys.thumbprint(secrets.public), keys.thumbprint(identity[1])
    collector_id = keys.thumbprint(authorities[labels.ROLE_COLLECTOR])
    inner_aad = cbor.encode([labels.PROFILE, "ready", old_id, collector_id])
    to_be_signed = cose.sig_structure(_PROTECTED_SIGN1, inner_aad, padded)
    _check_signature(secrets.public, to_be_signed, signed[-64:])
    nonce = fields[labels.READY_NONCE]  # type: ignore[index]
    proof = cbor.encode([labels.PROFILE, "identity", old_id, identity[1], nonce])
    _check_signature(identity[1], proof, fields[labels.READY_PROOF])  # type: ignore[index]
    info = cbor.encode([labels.PROFILE, "root", new_id, collector_id])
    _same(HKDF(hashes.SHA256(), 32, nonce, info).derive(z), root)
    return {
        "epoch": _REKEY_EPOCH,
        "identity_private": identity[0],
        "identity_public": identity[1],
        "node_id": new_id,
        "ephemeral_private": ephemeral,
        "ephemeral_public": ephemeral_public,
        "nonce": nonce,
        "z": z,
        "kdf_context": context,
        "content_key": content_key,
        "proof": proof,
        "payload": padded[:end],
        "padded": padded,
        "inner_aad": inner_aad,
        "sig_structure": to_be_signed,
        "sign1": signed,
        "enc_structure": enc_structure,
        "iv": unprotected[labels.HEADER_IV],
        "message": message,
        "root": root,
        "kid": keys.epoch(root, _REKEY_EPOCH).kid,
    }


def _sealed(
    content: object,
    epoch_keys: keys.EpochKeys,
    direction: int,
    sender: bytes,
    recipient: bytes,
    private: bytes,
    drbg: Drbg,
) -> dict[str, bytes]:
    payload = cbor.encode(content)
    padded = padding.pad(payload, labels.PAYLOAD_MIN)
    sealed = cose.seal(payload, epoch_keys, _EPOCH, direction, _SEQUENCE, sender, recipient, private, drbg)
    partial_iv = _SEQUENCE.to_bytes(2, "big")
    outer_aad = cbor.encode([labels.PROFILE, direction, _EPOCH, epoch_keys.kid, partial_iv])
    inner_aad = cbor.encode([labels.PROFILE, direction, _EPOCH, epoch_keys.kid, partial_iv, sender, recipient])
    key, iv = epoch_keys.of_direction(direction)
    nonce = bytes(a ^ b for a, b in zip(iv, bytes(11) + partial_iv, strict=True))
    enc_structure = cose.enc_structure(_PROTECTED_ENCRYPT0, outer_aad)
    ciphertext = cbor.decode(sealed, (16,)).value[2]  # type: ignore[attr-defined]
    signed = AESCCM(key).decrypt(nonce, ciphertext, enc_structure)
    to_be_signed = cose.sig_structure(_PROTECTED_SIGN1, inner_aad, padded)
    public = ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1()).public_key()
    numbers = public.public_numbers()
    encoded = b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    _check_signature(encoded, to_be_signed, signed[-64:])
    return {
        "payload": payload,
        "padded": padded,
        "inner_aad": inner_aad,
        "sig_structure": to_be_signed,
        "sign1": signed,
        "outer_aad": outer_aad,
        "enc_structure": enc_structure,
        "nonce": nonce,
        "sealed": sealed,
    }


if __name__ == "__main__":
    main()
