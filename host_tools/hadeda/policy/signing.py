"""Policies and floors under the city's signatures: COSE_Sign1 (RFC 9052 section 4.2, tag 18), ESP256.

The policy key signs both; a floor that is looser than the node's carries a second signature, by the release key, over
the same bytes and for one node. external_aad is CBOR([profile, context]), with the node's id in a release, so that a
signature serves for one thing only. s is always the lower of the two that would do, as everywhere in the profile.
"""

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from hadeda.envelope import cose, labels, strict_cbor, thumbprint
from hadeda.envelope.keys import public_point
from hadeda.errors import PolicyError, Rejected
from hadeda.policy.compiled import Compiled, compile_floor, compile_policy, decompile
from hadeda.policy.schema import Floor, Policy

CONTEXT: Final = "policy"
FLOOR: Final = "floor"
RELEASE: Final = "release"
SIGNED_SUFFIX: Final = ".signed"


def sign_policy(policy: Policy, private: ec.EllipticCurvePrivateKey) -> bytes:
    """The signed policy as nodes take it; raises PolicyError where it is too long for them.

    `private` is the city's policy key, whose thumbprint names the city in it.
    """
    city = thumbprint(public_point(private.public_key()))
    compiled = compile_policy(policy, city)
    if len(compiled) > labels.POLICY_MAX:
        raise PolicyError(
            f"the compiled policy has {len(compiled)} bytes, a node takes {labels.POLICY_MAX}",
            "use fewer or shorter names of classes and directions",
        )
    return cose.sign(private, compiled, external_aad())


def sign_floor(floor: Floor, private: ec.EllipticCurvePrivateKey) -> bytes:
    """The floor, signed by the policy key."""
    return cose.sign(private, compile_floor(floor), external_aad(FLOOR))


def sign_release(floor: Floor, private: ec.EllipticCurvePrivateKey, node_id: bytes) -> bytes:
    """The release key's signature over a floor too: it lets the node with this id (32 bytes) take it, and no other."""
    return cose.sign(private, compile_floor(floor), external_aad(RELEASE, node_id))


def verify_policy(signed: bytes, public: bytes) -> Compiled:
    """The policy in `signed`, if the policy key `public` (65 bytes) signed it for its own city; raises PolicyError."""
    try:
        message = cose.parse_sign1(signed)
        cose.verify(message, external_aad(), public)
    except Rejected as refusal:
        raise PolicyError(f"the signature is not accepted ({refusal.reason})", "sign the policy again") from refusal
    found = decompile(message.payload)
    if found.city != thumbprint(public):
        raise PolicyError("the policy is for another city", "sign it with this city's policy key")
    return found


def external_aad(context: str = CONTEXT, *bound: bytes) -> bytes:
    """What a signature is bound to beside its payload."""
    return strict_cbor.encode([labels.PROFILE, context, *bound])
