"""The COSE working group's examples: 54 files, each one checked as far as the profile's algorithms go.

What does not apply is named by its reason: "algorithm" (ES384, ES512, AES-GCM: the profile has none of them). Whole
messages of ECDH-ES and ECDH-SS are not read either (their maps are not in canonical order, which the decoder refuses);
their secret, KDF context and key are checked. -7 (ES256) stands for our -9 here, the arithmetic is the same.
"""

import json
import os
from binascii import a2b_base64, unhexlify

from envelope import aes_ccm, cbor, cose, ecdh, ecdsa, hkdf
from envelope.drbg import Drbg
from envelope.errors import CborError, Rejected

_FOLDER = "tests/vectors/cose/"
_ES256 = -7
# Algorithm: key size, tag size, nonce size (RFC 9053 section 4.2)
_CCM = {
    10: (16, 8, 13),
    11: (32, 8, 13),
    12: (16, 8, 7),
    13: (32, 8, 7),
    30: (16, 16, 13),
    31: (32, 16, 13),
    32: (16, 16, 7),
    33: (32, 16, 7),
}
_SIGN1 = {
    "sign1-tests/sign-pass-01.json": "valid",
    "sign1-tests/sign-pass-02.json": "valid",
    "sign1-tests/sign-pass-03.json": "valid",
    "sign1-tests/sign-fail-01.json": "malformed",
    "sign1-tests/sign-fail-02.json": "invalid",
    "sign1-tests/sign-fail-03.json": "algorithm",
    "sign1-tests/sign-fail-04.json": "algorithm",
    "sign1-tests/sign-fail-06.json": "invalid",
    "sign1-tests/sign-fail-07.json": "invalid",
    "ecdsa-examples/ecdsa-sig-01.json": "valid",
    "ecdsa-examples/ecdsa-sig-02.json": "algorithm",
    "ecdsa-examples/ecdsa-sig-03.json": "algorithm",
    "ecdsa-examples/ecdsa-sig-04.json": "algorithm",
    "CWT/A_3.json": "valid",
}
_SIGN = {
    "ecdsa-examples/ecdsa-01.json": "valid",
    "ecdsa-examples/ecdsa-02.json": "algorithm",
    "ecdsa-examples/ecdsa-03.json": "algorithm",
    "ecdsa-examples/ecdsa-04.json": "algorithm",
}
_ENCRYPT0 = {
    "encrypted-tests/aes-gcm-01.json": "algorithm",
    "encrypted-tests/enc-pass-01.json": "algorithm",
    "encrypted-tests/enc-pass-02.json": "algorithm",
    "encrypted-tests/enc-pass-03.json": "algorithm",
    "encrypted-tests/enc-fail-01.json": "malformed",
    "encrypted-tests/enc-fail-02.json": "algorithm",
    "encrypted-tests/enc-fail-03.json": "algorithm",
    "encrypted-tests/enc-fail-04.json": "algorithm",
    "encrypted-tests/enc-fail-06.json": "algorithm",
    "encrypted-tests/enc-fail-07.json": "algorithm",
    "CWT/A_5.json": "valid",
    "CWT/A_6.json": "valid",
}
_MAC0 = ("CWT/A_4.json", "CWT/A_7.json")
_ECDH = ("p256-hkdf-256-0", "p256-ss-hkdf-256-0")


def _load(name):
    with open(_FOLDER + name) as file:
        return json.load(file)


def _field(key, name):
    if name + "_hex" in key:
        return unhexlify(key[name + "_hex"])
    text = key[name].replace("-", "+").replace("_", "/")
    return a2b_base64(text + "=" * (-len(text) % 4))


def _public(key):
    return b"\x04" + _field(key, "x") + _field(key, "y")


def _message(vector, tag):
    """Return the elements of the message, [protected, unprotected, ...], with an empty protected map as b""."""
    item = cbor.decode(unhexlify(vector["output"]["cbor"]), (tag,))
    elements = item.value if isinstance(item, cbor.Tag) else item
    if elements[0] == b"\xa0":
        elements[0] = b""
    return elements


def _algorithm(protected, unprotected):
    headers = cbor.decode(protected) if protected else {}
    return headers[1] if 1 in headers else unprotected.get(1)


def _content(vector):
    if "plaintext_hex" in vector["input"]:
        return unhexlify(vector["input"]["plaintext_hex"])
    return vector["input"]["plaintext"].encode()


def _sign1_outcome(vector):
    given = vector["input"]["sign0"]
    try:
        protected, unprotected, payload, signature = _message(vector, 18)
    except CborError:
        return "malformed"
    to_be_signed = cose.sig_structure(protected, unhexlify(given.get("external", "")), payload)
    if not vector.get("fail"):
        assert to_be_signed == unhexlify(vector["intermediates"]["ToBeSign_hex"])
        assert payload == _content(vector)
    if _algorithm(protected, unprotected) != _ES256:
        return "algorithm"
    return "valid" if ecdsa.verify(_public(given["key"]), to_be_signed, signature) else "invalid"


def test_sign1_vectors():
    for name, expected in _SIGN1.items():
        assert _sign1_outcome(_load(name)) == expected, name


def _sign_outcome(vector):
    body_protected, _, payload, ((protected, unprotected, signature),) = _message(vector, 98)
    to_be_signed = cbor.encode(["Signature", body_protected, protected, b"", payload])
    assert to_be_signed == unhexlify(vector["intermediates"]["signers"][0]["ToBeSign_hex"])
    if _algorithm(protected, unprotected) != _ES256:
        return "algorithm"
    public = _public(vector["input"]["sign"]["signers"][0]["key"])
    return "valid" if ecdsa.verify(public, to_be_signed, signature) else "invalid"


def test_sign_vectors():
    for name, expected in _SIGN.items():
        assert _sign_outcome(_load(name)) == expected, name


def _encrypt_outcome(vector, tag):
    given = vector["input"]["encrypted" if tag == 16 else "enveloped"]
    try:
        protected, unprotected, ciphertext = _message(vector, tag)[:3]
    except CborError:
        return "malformed"
    external = unhexlify(given.get("external", ""))
    aad = cose.enc_structure(protected, external) if tag == 16 else cbor.encode(["Encrypt", protected, external])
    if not vector.get("fail"):
        assert aad == unhexlify(vector["intermediates"]["AAD_hex"])
    algorithm = _algorithm(protected, unprotected)
    if algorithm not in _CCM:
        return "algorithm"
    key_size, tag_size, nonce_size = _CCM[algorithm]
    key, nonce = unhexlify(vector["intermediates"]["CEK_hex"]), unprotected[5]
    assert (len(key), len(nonce)) == (key_size, nonce_size)
    try:
        plaintext = aes_ccm.decrypt(key, nonce, ciphertext, aad, tag_size)
    except Rejected:
        return "invalid"
    assert plaintext == _content(vector)
    assert aes_ccm.encrypt(key, nonce, plaintext, aad, tag_size) == ciphertext
    return "valid"


def test_encrypt0_vectors():
    for name, expected in _ENCRYPT0.items():
        assert _encrypt_outcome(_load(name), 16) == expected, name


def test_aes_ccm_vectors():
    for number in range(1, 9):
        assert _encrypt_outcome(_load("aes-ccm-examples/aes-ccm-enc-0%d.json" % number), 16) == "valid", number  # noqa: UP031
        assert _encrypt_outcome(_load("aes-ccm-examples/aes-ccm-0%d.json" % number), 96) == "valid", number  # noqa: UP031


def test_nested_cwt_vectors():
    # Sign1 inside Encrypt0, like the profile: the content of A.6 is the message of A.3.
    nested = _load("CWT/A_6.json")
    assert _content(nested) == unhexlify(_load("CWT/A_3.json")["output"]["cbor"])


def test_mac0_vectors():
    # COSE_Mac0 is not in the profile; the HMAC under it has to agree all the same.
    for name in _MAC0:
        vector = _load(name)
        mac = hkdf.hmac(unhexlify(vector["intermediates"]["CEK_hex"]), unhexlify(vector["intermediates"]["ToMac_hex"]))
        assert unhexlify(vector["output"]["cbor"]).endswith(mac[:8]), name


def _sender_public(message):
    """Return the sender's key from the raw message: {-2: x, -3: y} stands there as 21 5820 x and 22 5820 y."""
    x = message.index(b"\x21\x58\x20") + 3
    y = message.index(b"\x22\x58\x20") + 3
    return b"\x04" + message[x : x + 32] + message[y : y + 32]


def _check_ecdh(vector, static):
    recipient = vector["input"]["enveloped" if "enveloped" in vector["input"] else "mac"]["recipients"][0]
    pinned = vector["intermediates"]["recipients"][0]
    message = unhexlify(vector["output"]["cbor"])
    generator = Drbg(b"blinds for the COSE examples.....")
    secret = ecdh.agree(_field(recipient["key"], "d"), _sender_public(message), generator)
    assert secret == unhexlify(pinned["Secret_hex"])
    if static:
        assert ecdh.agree(_field(recipient["sender_key"], "d"), _public(recipient["key"]), generator) == secret
    key = unhexlify(vector["intermediates"]["CEK_hex"])
    algorithm = {16: 1, 32: 3, 64: 7}[len(key)]
    party_u_nonce = unhexlify(vector["input"]["rng_stream"][0]) if static else None
    protected = cbor.encode({1: -27 if static else -25})
    context = cbor.encode([algorithm, [None, party_u_nonce, None], [None, None, None], [8 * len(key), protected]])
    assert context == unhexlify(pinned["Context_hex"])
    assert hkdf.expand(hkdf.extract(b"", secret), context, len(key)) == key
    try:
        cbor.decode(message, (96, 97))
    except CborError as error:
        assert "order" in str(error)  # noqa: PT017
        return
    raise AssertionError("a map out of order was let in")


def test_ecdh_vectors():
    for prefix in _ECDH:
        for number in ("1", "2", "3"):
            _check_ecdh(_load("ecdh-direct-examples/" + prefix + number + ".json"), "-ss-" in prefix)


def test_every_vector_file_is_accounted_for():
    accounted = list(_SIGN1) + list(_SIGN) + list(_ENCRYPT0) + list(_MAC0)
    accounted += ["aes-ccm-examples/aes-ccm-" + kind + str(n) + ".json" for kind in ("0", "enc-0") for n in range(1, 9)]
    accounted += ["ecdh-direct-examples/" + prefix + n + ".json" for prefix in _ECDH for n in ("1", "2", "3")]
    found = [folder + "/" + name for folder in os.listdir(_FOLDER) for name in os.listdir(_FOLDER + folder)]
    assert sorted(accounted) == sorted(found)
    assert len(found) == 54
