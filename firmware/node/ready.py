"""The ready message: the node's half of a re-key, sealed to the collector's key and signed by the identity it has."""

from envelope import cbor, cose, ecdh, ecdh_es, ecdsa, keys, labels, padding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envelope.drbg import Drbg
    from node.keystore import Secrets

_NONCE_SIZE = 16


def make(
    secrets: "Secrets",
    epoch: int,
    authorities: "dict[int, bytes]",
    private: "bytes | None",
    public: "bytes | None",
    command: int,
    drbg: "Drbg",
) -> "tuple[bytes, bytes]":
    """Return (root key of the new chain, ready message); the ephemeral key is forgotten here.

    The chain begins with `epoch`, for the collector of `authorities` and, when `private` and `public` are given, for
    that new identity, which proves itself by a signature of its own. KeyInvalid when the collector's key is no point.
    """
    old_id = keys.thumbprint(secrets.public)
    collector = authorities[labels.ROLE_COLLECTOR]
    collector_id = keys.thumbprint(collector)
    ephemeral_private, ephemeral = ecdsa.make_key(drbg)
    nonce = drbg.generate(_NONCE_SIZE)
    ready: dict[int, object] = {
        labels.READY_EPOCH: epoch,
        labels.READY_NODE: old_id,
        labels.READY_EPHEMERAL: ephemeral,
        labels.READY_NONCE: nonce,
        labels.READY_COLLECTOR: collector_id,
        labels.READY_COMMAND: command,
    }
    node_id = old_id
    if private is not None and public is not None:
        node_id = keys.thumbprint(public)
        claim = cbor.encode([labels.PROFILE, "identity", old_id, public, nonce])
        ready[labels.READY_IDENTITY] = public
        ready[labels.READY_PROOF] = cose.signer.sign(private, claim, drbg)
    z = ecdh.agree(ephemeral_private, collector, drbg)
    aad = cbor.encode([labels.PROFILE, "ready", old_id, collector_id])
    signed = cose.sign1(padding.pad(cbor.encode(ready)), aad, secrets.private, drbg)
    message = ecdh_es.seal(signed, z, ephemeral, cbor.encode([labels.PROFILE, "ready"]), drbg)
    return keys.root(z, nonce, node_id, collector_id), message
