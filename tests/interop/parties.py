"""Who signs and who is addressed."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class Party:
    """A key pair: private 32 bytes, public 65, id the thumbprint."""

    private: bytes
    public: bytes
    id: bytes

    def key(self) -> ec.EllipticCurvePrivateKey:
        """The private key as the city's code takes it."""
        return ec.derive_private_key(int.from_bytes(self.private, "big"), ec.SECP256R1())
