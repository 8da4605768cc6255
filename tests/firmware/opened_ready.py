"""The city's end of a re-key, for tests: opens a ready message by the RFCs, without the node's code for sealing it."""

from binascii import unhexlify

from envelope import aes_ccm, cbor, ecdh, ecdsa, hkdf, keys
from envelope.drbg import Drbg

# COSE_KDF_Context, RFC 9053 section 5.2: [30, [null, null, null], [null, null, null], [128, h'a1013818']]
KDF_CONTEXT = unhexlify("84181e83f6f6f683f6f6f6821880" + "44a1013818")


class OpenedReady:
    """`collector` is the collector's (private, public) key, `identity` the public key that the node has until then.

    fields: the ready map; epoch, root, node_id: of the new chain; sign1: what was encrypted.
    """

    def __init__(self, message, collector, identity):
        protected, unprotected, ciphertext, recipients = cbor.decode(message, (96,)).value
        assert protected == unhexlify("a101181e")
        assert list(unprotected) == [5]
        assert len(unprotected[5]) == 13
        ((recipient_protected, recipient_unprotected, nothing),) = recipients
        assert (recipient_protected, nothing) == (unhexlify("a1013818"), b"")
        assert list(recipient_unprotected) == [-1]
        key = recipient_unprotected[-1]
        assert (key[1], key[-1], len(key)) == (2, 1, 4)
        ephemeral = b"\x04" + key[-2] + key[-3]
        self.z = ecdh.agree(collector[0], ephemeral, Drbg(b"the city's own randomness" * 2))
        self.content_key = hkdf.expand(hkdf.extract(bytes(32), self.z), KDF_CONTEXT, 16)
        self.enc_structure = cbor.encode(["Encrypt", protected, cbor.encode(["hadeda-1", "ready"])])
        self.iv = unprotected[5]
        self.sign1 = aes_ccm.decrypt(self.content_key, self.iv, ciphertext, self.enc_structure)
        self._verify(keys.thumbprint(collector[1]), identity)
        assert self.fields[3] == ephemeral
        self.epoch = self.fields[1]
        self.identity = self.fields.get(7, identity)
        self.node_id = keys.thumbprint(self.identity)
        self.root = keys.root(self.z, self.fields[4], self.node_id, self.fields[5])

    def _verify(self, collector_id, identity):
        protected, unprotected, payload, signature = cbor.decode(self.sign1, (18,)).value
        assert (protected, unprotected) == (unhexlify("a10128"), {})
        old_id = keys.thumbprint(identity)
        self.inner_aad = cbor.encode(["hadeda-1", "ready", old_id, collector_id])
        self.sig_structure = cbor.encode(["Signature1", protected, self.inner_aad, payload])
        assert ecdsa.verify(identity, self.sig_structure, signature)
        assert ecdsa.is_low(signature)
        assert len(payload) % 32 == 0
        self.padded = payload
        self.fields, end = cbor.decode_first(payload)
        assert payload[end:] == bytes(len(payload) - end)
        assert len(payload) - end < 32
        assert (self.fields[2], self.fields[5]) == (old_id, collector_id)
        if 7 in self.fields:
            claim = cbor.encode(["hadeda-1", "identity", old_id, self.fields[7], self.fields[4]])
            assert ecdsa.verify(self.fields[7], claim, self.fields[8])
