"""A compiled policy under the city's signature: COSE_Sign1 (RFC 9052 section 4.2, tag 18), ESP256, by the policy key.

external_aad is CBOR([profile, "policy"]), so that a policy's signature serves for nothing else. s is always the lower
of the two that would do, as everywhere in the profile.
"""

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from hadeda.envelope import cose, labels, strict_cbor, thumbprint
from hadeda.envelope.keys import public_point
from hadeda.errors import Rejected
from hadeda.policy.compiled import Compiled, compile_policy, decompile
from hadeda.policy.problems import PolicyError
from hadeda.policy.schema import Policy

CONTEXT: Final = "policy"
SIGNED_SUFFIX: Final = ".signed"


def sign_policy(policy: Policy, private: ec.EllipticCurvePrivateKey) -> bytes:
    """The signed policy as nodes take it. `private` is the city's policy key, whose thumbprint names the city in it."""
    city = thumbprint(public_point(private.public_key()))
    return cose.sign(private, compile_policy(policy, city), external_aad())


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


def external_aad(context: str = CONTEXT) -> bytes:
    """What a signature is bound to beside its payload."""
    return strict_cbor.encode([labels.PROFILE, context])
