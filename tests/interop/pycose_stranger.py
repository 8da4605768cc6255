"""COSE as pycose understands it. Runs in an environment of its own; see json_lines.py for how it is asked.

Told apart from the RFCs: pycose knows ESP256 (-9, RFC 9864) not yet, so ES256 on P-256, the same arithmetic, is
registered under that number as well; and as signer it is asked for the lower of the two possible s, which the profile
wants and COSE leaves open. It drops leading zeros of a nonce, so the base IV it is given must not begin with one.
"""

from json_lines import answer
from pycose.algorithms import AESCCM16128128, CoseAlgorithm, EcdhEsHKDF256, Es256
from pycose.headers import IV, KID, Algorithm, EphemeralKey, KIDContext, PartialIV, StaticKey
from pycose.keys import EC2Key, SymmetricKey
from pycose.keys.curves import P256
from pycose.messages import CoseMessage, Enc0Message, EncMessage, Sign1Message
from pycose.messages.recipient import DirectKeyAgreement

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@CoseAlgorithm.register_attribute()
class Esp256(Es256):
    identifier = -9
    fullname = "ESP256"

    high_s = False

    @classmethod
    def sign(cls, key, data):
        signature = super().sign(key, data)
        s = int.from_bytes(signature[32:], "big")
        if (s > ORDER // 2) != cls.high_s:
            s = ORDER - s
        return signature[:32] + s.to_bytes(32, "big")


def public_key(point):
    return EC2Key(crv=P256, x=point[1:33], y=point[33:])


def private_key(private, point):
    return EC2Key(crv=P256, x=point[1:33], y=point[33:], d=private)


def symmetric(key, base_iv=b""):
    return SymmetricKey(k=key, optional_params={"BASE_IV": base_iv} if base_iv else {})


def open_sign1(message, aad, public):
    signed = CoseMessage.decode(message)
    if not isinstance(signed, Sign1Message):
        raise TypeError("not a COSE_Sign1")
    signed.key, signed.external_aad = public_key(public), aad
    return {
        "payload": signed.payload,
        "sig_structure": signed._create_sig_structure(),
        "verified": signed.verify_signature(),
        "protected": signed.phdr_encoded,
        "again": signed.encode(sign=False),
    }


def sign1(payload, aad, private, public, high_s=False):
    signed = Sign1Message({Algorithm: Esp256}, {}, payload, aad, private_key(private, public))
    Esp256.high_s = high_s
    return {"message": signed.encode(), "sig_structure": signed._create_sig_structure()}


def open_encrypt0(message, aad, key, base_iv):
    sealed = CoseMessage.decode(message)
    if not isinstance(sealed, Enc0Message):
        raise TypeError("not a COSE_Encrypt0")
    sealed.key, sealed.external_aad = symmetric(key, base_iv), aad
    return {
        "plaintext": sealed.decrypt(),
        "enc_structure": sealed._enc_structure,
        "protected": sealed.phdr_encoded,
        "kid": sealed.get_attr(KID),
        "kid_context": sealed.get_attr(KIDContext),
        "partial_iv": sealed.get_attr(PartialIV),
    }


def encrypt0(plaintext, aad, key, base_iv, kid, partial_iv, kid_context):
    headers = {KID: kid, PartialIV: partial_iv, KIDContext: kid_context}
    sealed = Enc0Message({Algorithm: AESCCM16128128}, headers, plaintext, aad, symmetric(key, base_iv))
    return {"message": sealed.encode(), "enc_structure": sealed._enc_structure}


def open_encrypt(message, aad, private, public):
    sealed = CoseMessage.decode(message)
    if not isinstance(sealed, EncMessage):
        raise TypeError("not a COSE_Encrypt")
    sealed.external_aad = aad
    (recipient,) = sealed.recipients
    recipient.key = private_key(private, public)
    ephemeral = recipient.get_attr(EphemeralKey)
    return {
        "plaintext": sealed.decrypt(recipient),
        "enc_structure": sealed._enc_structure,
        "kdf_context": recipient.get_kdf_context(AESCCM16128128).encode(),
        "protected": [sealed.phdr_encoded, recipient.phdr_encoded],
        "ephemeral": b"\x04" + ephemeral.x + ephemeral.y,
    }


def encrypt(plaintext, aad, iv, ephemeral_private, ephemeral, recipient):
    own = {1: 2, -1: 1, -2: ephemeral[1:33], -3: ephemeral[33:]}
    agreement = DirectKeyAgreement({Algorithm: EcdhEsHKDF256}, {EphemeralKey: own})
    agreement.key = private_key(ephemeral_private, ephemeral)
    agreement.local_attrs = {StaticKey: public_key(recipient)}
    sealed = EncMessage({Algorithm: AESCCM16128128}, {IV: iv}, plaintext, aad, recipients=[agreement])
    return {"message": sealed.encode(), "enc_structure": sealed._enc_structure}


if __name__ == "__main__":
    asked = (open_sign1, sign1, open_encrypt0, encrypt0, open_encrypt, encrypt)
    answer({function.__name__: function for function in asked})
