"""The node's own envelope code, on MicroPython; see json_lines.py for how it is asked.

What it signs and what it authenticates is taken down where it goes into the arithmetic, not computed once more.
"""

from hashlib import sha256

from json_lines import answer

from envelope import aes_ccm, cose, ecdh, ecdh_es, ecdsa, keys
from envelope.drbg import Drbg

_sign, _encrypt = ecdsa.sign, aes_ccm.encrypt
_seen = {}


def _spy_sign(private, message, drbg):
    _seen["sig_structure"] = message
    return _sign(private, message, drbg)


def _spy_encrypt(key, nonce, plaintext, aad, tag_size):
    _seen["enc_structure"] = aad
    _seen["plaintext"] = plaintext
    _seen["nonce"] = nonce
    return _encrypt(key, nonce, plaintext, aad, tag_size)


ecdsa.sign, aes_ccm.encrypt = _spy_sign, _spy_encrypt


def _drbg(seed):
    return Drbg(sha256(seed).digest())


def _seeing(message):
    found = dict(_seen)
    found["message"] = message
    _seen.clear()
    return found


def make_key(seed):
    private, public = ecdsa.make_key(_drbg(seed))
    return {"private": private, "public": public, "id": keys.thumbprint(public)}


def epoch_keys(root, epoch):
    made = keys.epoch(root, epoch)
    return {name: getattr(made, name) for name in ("kid", "k_up", "iv_up", "k_down", "iv_down")}


def seal(payload, root, epoch, direction, sequence, sender, recipient, private, seed):
    made = keys.epoch(root, epoch)
    return _seeing(cose.seal(payload, made, epoch, direction, sequence, sender, recipient, private, _drbg(seed)))


def open_sealed(message, root, epoch, direction, sender, recipient, public):
    verifier = ecdsa.Verifier(public)
    return cose.open(message, keys.epoch(root, epoch), epoch, direction, sender, recipient, verifier)


def enrol(payload, private, seed):
    return _seeing(cose.enrol(payload, private, _drbg(seed)))


def sign1(payload, aad, private, seed):
    return _seeing(cose.sign1(payload, aad, private, _drbg(seed)))


def open_sign1(message, aad, public):
    return cose.open_sign1(message, aad, ecdsa.Verifier(public))


class Identity:
    """What a ready message needs to know of the key store."""

    def __init__(self, private, public):
        self.private = private
        self.public = public


def ready(private, public, epoch, collector, new_private, new_public, command, seed):
    from node import ready

    secrets = Identity(private, public)
    root, message = ready.make(secrets, epoch, {1: collector}, new_private, new_public, command, _drbg(seed))
    found = _seeing(message)
    found["root"] = root
    return found


def encrypt_to(plaintext, aad, ephemeral_private, ephemeral, recipient, seed):
    drbg = _drbg(seed)
    z = ecdh.agree(ephemeral_private, recipient, drbg)
    return _seeing(ecdh_es.seal(plaintext, z, ephemeral, aad, drbg))


def kdf_context():
    return ecdh_es.kdf_context()


answer({
    function.__name__: function
    for function in (
        make_key, epoch_keys, seal, open_sealed, enrol, sign1, open_sign1, ready, encrypt_to, kdf_context
    )
})  # fmt: skip
