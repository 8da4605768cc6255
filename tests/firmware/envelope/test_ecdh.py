"""ECDH on P-256: both sides agree, and no point off the curve gets in."""

from envelope import ecdh, ecdsa, p256
from envelope.drbg import Drbg
from envelope.errors import KeyInvalid


def test_both_sides_agree_whatever_the_blinding():
    generator = Drbg(b"a generator for the ecdh tests...")
    a, public_a = ecdsa.make_key(generator)
    b, public_b = ecdsa.make_key(generator)
    shared = ecdh.agree(a, public_b, generator)
    assert len(shared) == 32
    assert ecdh.agree(b, public_a, generator) == shared
    assert ecdh.agree(a, public_b, Drbg(b"another" * 5)) == shared
    assert ecdh.agree(a, public_a, generator) != shared


def test_the_extreme_private_keys_work():
    generator = Drbg(b"a generator for the ecdh tests...")
    public = p256.encode(*p256.G)
    x = p256.G[0].to_bytes(32, "big")
    assert ecdh.agree((1).to_bytes(32, "big"), public, generator) == x
    assert ecdh.agree((p256.N - 1).to_bytes(32, "big"), public, generator) == x


def test_points_off_the_curve_and_keys_out_of_range_are_refused():
    generator = Drbg(b"a generator for the ecdh tests...")
    private, public = ecdsa.make_key(generator)
    off_curve = public[:64] + bytes((public[64] ^ 1,))
    for bad_private, bad_public in (
        (private, off_curve),
        (private, bytes(65)),
        (private, public[:33]),
        (bytes(32), public),
    ):
        try:
            ecdh.agree(bad_private, bad_public, generator)
        except KeyInvalid:
            continue
        raise AssertionError(bad_public)
